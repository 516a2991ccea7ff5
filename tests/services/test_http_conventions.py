"""Does every request end as contract.md section 1 says, whatever is sent and whatever breaks?"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Select, make_url, select, text

from shared import i18n, pages, tokens
from shared.authorisation import OPEN_PATHS, endpoints
from shared.http import LARGEST_REQUEST
from shared.settings import Settings
from shared.tokens import Verifier
from tests.lab import Lab
from tests.world import KEY


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """What a refusal says; it must be a problem in the agreed form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["detail"]
    return body


# One request, one transaction.


async def test_a_commit_that_fails_is_no_success(lab: Lab) -> None:
    answer = await lab.as_("hr").post("/lab/things", json={"id": "a", "n": 1, "twice_firm": True})
    assert answer.status_code in (409, 500)
    problem(answer, answer.status_code)
    assert await lab.seen() == {}
    assert await lab.outbox() == []


async def test_a_failure_after_a_change_changes_nothing(lab: Lab) -> None:
    client = lab.as_("hr")
    await client.post("/lab/things", json={"id": "a", "n": 1})
    stale = await client.put("/lab/things/a", json={"id": "a", "n": 2}, headers={"If-Match": '"7"'})
    problem(stale, 412)
    assert await lab.seen() == {"a": [1]}
    assert len(await lab.outbox()) == 1


async def test_a_fault_of_ours_says_nothing_of_its_insides(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    body = problem(await lab.as_("hr").get("/lab/boom"), 500)
    assert "secret words" not in json.dumps(body)
    assert "request_failed" in caplog.text


async def test_what_is_down_is_503_with_a_time_to_try_again(lab: Lab) -> None:
    for kind in ("os", "slow"):
        answer = await lab.as_("hr").get(f"/lab/boom?kind={kind}")
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0


class Cable:
    """Between us and the server, to be pulled."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self._there = (parsed.host, parsed.port)
        self._ends: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._port = 0
        self._url = parsed

    async def plug_in(self) -> str:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self._url.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    async def pull(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._there)
        self._ends += [writer, there_writer]

        async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(one_way(reader, there_writer), one_way(there_reader, writer))


async def test_a_database_that_is_down_and_comes_back(lab_url: str) -> None:
    cable = Cable(lab_url)
    lab = Lab(await cable.plug_in())
    client, nobody = lab.as_("hr"), lab.as_()
    assert (await client.get("/lab/things")).status_code == 200
    await cable.pull()
    for _ in range(2):
        problem(await client.get("/lab/things"), 503)
        problem(await client.post("/lab/things", json={"id": "a", "n": 1}), 503)
        problem(await nobody.get("/health/ready"), 503)
    assert (await nobody.get("/health/live")).status_code == 200
    await cable.plug_in()
    assert (await client.post("/lab/things", json={"id": "a", "n": 1})).status_code == 201
    assert (await nobody.get("/health/ready")).status_code == 200
    assert await lab.seen() == {"a": [1]}
    await lab.close()
    await cable.pull()


async def test_a_full_pool_is_503_and_not_a_hang(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.db.engine.pool, "_timeout", 0.2)
    async with lab.db.engine.connect() as first, lab.db.engine.connect() as second:
        held = [first, second, *[await lab.db.engine.connect() for _ in range(lab.settings.pool_size - 2)]]
        problem(await lab.as_("hr").get("/lab/things"), 503)
        for connection in held[2:]:
            await connection.close()
    assert (await lab.as_("hr").get("/lab/things")).status_code == 200


async def test_a_body_that_comes_slowly_holds_no_connection(lab: Lab) -> None:
    hold = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"id": "a", '
        await hold.wait()
        yield b'"n": 1}'

    json_type = {"content-type": "application/json"}
    client = lab.as_("hr")
    slow = [
        asyncio.create_task(client.post("/lab/things", content=slowly(), headers=json_type))
        for _ in range(lab.settings.pool_size + 2)
    ]
    async with asyncio.timeout(5):
        assert (await client.get("/lab/things")).status_code == 200
    hold.set()
    assert {answer.status_code for answer in await asyncio.gather(*slow)} == {201}


# Idempotency-Key.


async def test_the_same_key_and_body_give_the_first_answer_and_change_nothing(lab: Lab) -> None:
    client, key = lab.as_("hr"), {"Idempotency-Key": "k1"}
    first = await client.post("/lab/things", json={"id": "a", "n": 1}, headers=key)
    again = await client.post("/lab/things", json={"id": "a", "n": 1}, headers=key)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert dict(first.headers) == dict(again.headers)
    assert again.headers["location"] == "/lab/things/a"
    assert again.headers["etag"] == '"1"'
    assert await lab.seen() == {"a": [1]}
    assert len(await lab.outbox()) == 1


async def test_the_same_key_for_another_request_is_refused(lab: Lab) -> None:
    client, key = lab.as_("hr"), {"Idempotency-Key": "k1"}
    await client.post("/lab/things", json={"id": "a", "n": 1}, headers=key)
    problem(await client.post("/lab/things", json={"id": "a", "n": 2}, headers=key), 422)
    problem(await client.post("/lab/things?x=1", json={"id": "a", "n": 1}, headers=key), 422)
    other = await lab.as_("hr", sub="someone-else").post("/lab/things", json={"id": "a", "n": 2}, headers=key)
    assert other.status_code == 201
    assert await lab.seen() == {"a": [1, 2]}


async def test_the_same_key_at_once_has_one_effect(lab: Lab) -> None:
    client, key = lab.as_("hr"), {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(
        *(client.post("/lab/things", json={"id": "a", "n": 1}, headers=key) for _ in range(12))
    )
    assert {(a.status_code, a.content) for a in answers} == {(201, answers[0].content)}
    assert await lab.seen() == {"a": [1]}


async def test_a_failure_is_not_remembered(lab: Lab) -> None:
    client, key = lab.as_("hr"), {"Idempotency-Key": "k1"}
    wrong = {"id": "a", "n": 1, "twice_firm": True}
    assert (await client.post("/lab/things", json=wrong, headers=key)).status_code >= 400
    assert (await client.post("/lab/things", json={"id": "a", "n": 5000}, headers=key)).status_code == 422
    assert (await client.post("/lab/things", json={"id": "a", "n": 1}, headers=key)).status_code == 201
    assert await lab.seen() == {"a": [1]}


async def test_a_key_that_is_none_is_refused(lab: Lab) -> None:
    for key in ("", "x" * 201, "tab\there"):
        answer = await lab.as_("hr").post("/lab/things", json={"id": "a", "n": 1}, headers={"Idempotency-Key": key})
        problem(answer, 400)


# Versions.


async def test_if_match(lab: Lab) -> None:
    client = lab.as_("hr")
    made = await client.post("/lab/things", json={"id": "a", "n": 1})
    assert made.headers["etag"] == '"1"'
    for stale in ('"2"', "1", "", '"2", "3"'):
        problem(await client.put("/lab/things/a", json={"id": "a", "n": 2}, headers={"If-Match": stale}), 412)
    for n, fits in enumerate((None, '"2"', "*", 'W/"4"', '"3", "5"'), start=2):
        headers = {} if fits is None else {"If-Match": fits}
        answer = await client.put("/lab/things/a", json={"id": "a", "n": 2}, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["etag"] == f'"{n}"'


# Refusals.


async def test_refusals_have_the_agreed_form(lab: Lab) -> None:
    client, nobody = lab.as_("agent"), lab.as_()
    body = problem(await nobody.get("/lab/things"), 401)
    assert (await nobody.get("/lab/things")).headers["www-authenticate"] == "Bearer"
    body = problem(await client.get("/lab/teams"), 403)
    assert "team_lead" in body["detail"]
    assert (await lab.as_("admin").get("/lab/teams")).status_code == 200
    body = problem(await client.get("/lab/nothing", headers={"accept-language": "zh"}), 404)
    assert (body["type"], body["detail"]) == (
        "/problems/not-found",
        "/lab/nothing 处没有任何内容；可用的地址见 /docs。",
    )
    body = problem(await client.get("/lab/things/none"), 404)
    assert body["instance"] == "/lab/things/none"
    refused = await client.delete("/lab/things")
    assert "DELETE" in problem(refused, 405)["detail"]
    assert {"GET", "POST"} & set(refused.headers["allow"].split(", "))
    for content in (b"{", b"\xff\xfe", b"[" * 50_000, b'{"id": "a", "n": ' + b"1" * 5000 + b"}"):
        refused = await client.post("/lab/things", content=content, headers={"content-type": "application/json"})
        problem(refused, 400)
    body = problem(await client.post("/lab/things", json={"id": "", "n": -1}), 422)
    assert [e["field"] for e in body["errors"]] == ["id", "n"]
    assert all(e["message"] for e in body["errors"])
    body = problem(await client.get("/lab/things?limit=0"), 422)
    assert [e["field"] for e in body["errors"]] == ["limit"]
    problem(await client.get("/lab/things?limit=501"), 422)
    body = problem(await client.post("/lab/things"), 422)
    form = {"content-type": "application/x-www-form-urlencoded"}  # what curl says unless told otherwise
    body = problem(await client.post("/lab/things", content=b'{"id": "a", "n": 1}', headers=form), 400)
    assert "application/json" in body["detail"]
    body = problem(await client.post("/lab/things", json={"id": "", "n": "x"}, headers={"accept-language": "zh"}), 422)
    assert [e["message"] for e in body["errors"]] == ["至少须有 1 个字符", "须为整数"]


async def test_refusals_are_in_the_readers_language(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    chinese = {"There is no thing {id}.": "没有 {id} 这个东西。", "Not found": "未找到"}
    monkeypatch.setattr(i18n, "catalogue", lambda language: chinese if language == "zh" else {})
    client = lab.as_("agent")
    answer = await client.get("/lab/things/x{y}", headers={"Accept-Language": "fr, zh-CN;q=0.9, en;q=0.8"})
    body = problem(answer, 404)
    assert (body["detail"], body["title"]) == ("没有 x{y} 这个东西。", "未找到")
    assert answer.headers["content-language"] == "zh"
    answer = await client.get("/lab/things/x", headers={"Accept-Language": "en"})
    assert problem(answer, 404)["detail"] == "There is no thing x."
    assert answer.headers["content-language"] == "en"


async def test_values_that_cannot_be_stored_are_refused(lab: Lab) -> None:
    client = lab.as_("agent")
    problem(await client.get("/lab/things/a%00b"), 422)
    problem(await client.get("/lab/things?cursor=%00"), 400)


@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_that_are_too_large_are_refused(lab: Lab, chunked: bool) -> None:
    async def in_chunks() -> AsyncIterator[bytes]:
        yield b'{"id": "'
        for _ in range(20):
            yield b"x" * (LARGEST_REQUEST // 16)

    content: Any = in_chunks() if chunked else b"x" * (LARGEST_REQUEST + 1)
    for path in ("/lab/things", "/events"):
        sent = in_chunks() if chunked else content
        answer = await lab.as_("service").post(path, content=sent, headers={"content-type": "application/json"})
        problem(answer, 413)
    fits = b'{"id": "a", "n": 1}'.ljust(LARGEST_REQUEST)
    answer = await lab.as_("agent").post("/lab/things", content=fits, headers={"content-type": "application/json"})
    assert answer.status_code == 201


async def raw(lab: Lab, headers: list[tuple[bytes, bytes]], path: str = "/lab/things", **scope: Any) -> int:
    """A request that no proper client would send; the status of the answer."""
    statuses: list[int] = []
    token = lab.as_("agent").headers["authorization"].encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await lab.app(
        {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("1", 1),
            "server": ("test", 80), "headers": [(b"authorization", token), *headers], **scope,
        },
        receive,
        send,
    )  # fmt: skip
    [status] = statuses
    return status


ODD_HEADERS = [
    (b"content-length", b"abc", 400), (b"content-length", b"-5", 400), (b"content-length", b"", 400),
    (b"content-length", b"9" * 5000, 413), (b"content-length", b"1e3", 400),
    (b"accept-language", b"\xff\xfe;q=nan,zh;q=x,;;;,*;q=0.5", 422), (b"accept-language", b"zh," * 5000, 422),
    (b"traceparent", b"\xff" * 100, 422), (b"idempotency-key", b"\xff\x00", 400),
    (b"content-type", b"\xff/\x00; charset=;;", 422), (b"if-match", b"\xff", 422), (b"x-huge", b"x" * 100_000, 422),
    (b"authorization", b"Bearer \xff", 401), (b"authorization", b"Bearer " + b"x" * 100_000, 401),
    (b"authorization", b"Basic eDp5", 401), (b"authorization", b"", 401), (b"authorization", b"Bearer a.b.c", 401),
]  # fmt: skip


async def test_odd_headers_are_no_fault_of_ours(lab: Lab) -> None:
    for header, value, status in ODD_HEADERS:
        assert await raw(lab, [(b"content-type", b"application/json"), (header, value)]) == status, (header, value[:50])


async def test_odd_paths_and_methods_are_no_fault_of_ours(lab: Lab) -> None:
    for path in ("", "/", "//", "/lab/things/\0", "/lab/things/" + "x" * 50_000, "/lab/../health"):
        scope = {"method": "GET", "raw_path": b"?"}
        assert await raw(lab, [], path, **scope) in (307, 404, 422), path
    assert await raw(lab, [], method="BREW") == 405
    assert await raw(lab, [], query_string=b"limit=1&limit=2&cursor=%ff%00&\xff", method="GET") == 400


async def test_odd_fields_are_no_fault_of_ours(lab: Lab) -> None:
    content = b'{"\\ud800": 1, "id": "\\ud800", "n": 1e400}'
    answer = await lab.as_("agent").post("/lab/things", content=content, headers={"content-type": "application/json"})
    problem(answer, 422)


# Pages.


async def read_all(client: httpx.AsyncClient, limit: int) -> AsyncIterator[list[str]]:
    cursor = None
    while True:
        parameters = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/lab/things", params=parameters)).json()
        yield [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return


async def fill(lab: Lab, ids: list[str]) -> None:
    for id in ids:
        await lab.rows("lab", "INSERT INTO lab.things VALUES (:id, 1, '{}') ON CONFLICT DO NOTHING", id=id)


async def test_pages_hold_each_row_once(lab: Lab) -> None:
    ids = [f"{n:03}" for n in range(23)]
    await fill(lab, ids)
    for limit in (1, 5, 22, 23, 24, 500):
        read = [page async for page in read_all(lab.as_("agent"), limit)]
        assert [id for page in read for id in page] == ids
        assert all(len(page) <= limit for page in read)


async def test_rows_that_come_while_paging_repeat_and_hide_none(lab: Lab) -> None:
    ids = [f"{n:03}" for n in range(0, 40, 2)]
    await fill(lab, ids)
    seen: list[str] = []
    async for page in read_all(lab.as_("agent"), 5):
        seen += page
        await fill(lab, [f"{int(page[0]) - 1:03}", f"{int(page[-1]) + 1:03}"])
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)
    assert set(ids) <= set(seen)


class Asked:
    """Takes the place of a transaction, to see what a page asks for."""

    async def all(self, statement: Select[Any]) -> list[Any]:
        self.statement = statement
        return []


async def test_a_late_page_costs_what_the_first_costs(lab: Lab) -> None:
    await lab.rows(
        "lab", "INSERT INTO lab.things SELECT lpad(n::text, 6, '0'), 1, '{}' FROM generate_series(1, 20000) AS n"
    )
    await lab.rows("lab", "ANALYZE lab.things")
    things, asked = lab.db.metadata.tables["lab.things"], Asked()
    await pages.page(asked, select(things), [things.c.id], dict, limit=50, cursor=pages.cursor_of(["001000"]))  # type: ignore[arg-type]
    sql = asked.statement.compile(dialect=lab.db.engine.dialect, compile_kwargs={"literal_binds": True})
    [row] = await lab.rows("lab", f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
    [node] = row["QUERY PLAN"][0]["Plan"]["Plans"]
    assert (node["Node Type"], node["Scan Direction"]) == ("Index Scan", "Backward")
    assert node["Actual Rows"] == 51


def cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NO_CURSORS = ["x", "💥", "!" * 1000, *map(cursor, [{}, [], ["a", "b"], [1], [None], "a"])]
NO_CURSORS += [base64.urlsafe_b64encode(wrong).decode() for wrong in (b"[" * 1400, b"\xff\xff")]


async def test_a_cursor_that_is_none_is_refused(lab: Lab) -> None:
    for wrong in NO_CURSORS:
        problem(await lab.as_("agent").get("/lab/things", params={"cursor": wrong}), 400)


# Identity.


async def test_nothing_answers_without_identity_but_the_open_paths(lab: Lab) -> None:
    nobody = lab.as_()
    routes = set(endpoints(lab.app.routes))
    assert {("POST", "/lab/things"), ("POST", "/events"), ("GET", "/dead-letters"), ("GET", "/docs")} <= routes
    for method, path in routes | {("GET", "/nothing"), ("GET", "/health/live/")}:
        answer = await nobody.request(method, path.replace("{id}", "x"))
        assert answer.status_code == (200 if path in OPEN_PATHS else 401), path


def token(claims: dict[str, Any] | None = None, key: Any = KEY, algorithm: str | None = "HS256", **changes: Any) -> str:
    full = {"sub": "x", "roles": ["agent"], "exp": datetime.now(UTC) + timedelta(hours=1)} if claims is None else claims
    return jwt.encode({k: v for k, v in (full | changes).items() if v is not None}, key, algorithm)


def unsigned(algorithm: str) -> str:
    parts = [{"alg": algorithm, "typ": "JWT"}, {"sub": "x", "roles": ["admin"], "exp": 4_000_000_000}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


LONG_AGO = datetime.now(UTC) - timedelta(hours=1)

REFUSED = {
    "expired": token(exp=LONG_AGO),
    "no end": token(exp=None),
    "not yet": token(nbf=datetime.now(UTC) + timedelta(hours=1)),
    "nobody": token(sub=None),
    "empty sub": token(sub=""),
    "endless sub": token(sub="x" * 201),
    "NUL in sub": token(sub="a\0"),
    "no roles": token(roles=None),
    "roles are a string": token(roles="admin"),
    "roles are numbers": token(roles=[1]),
    "another key": token(key="another key, of thirty-two bytes or more"),
    "none": unsigned("none"),
    "None": unsigned("None"),
    "no signature": unsigned("HS256"),
    "another algorithm": token(key=KEY * 2, algorithm="HS512"),
    "nonsense": "nonsense",
}


async def test_tokens_that_are_refused(lab: Lab) -> None:
    for name, refused in REFUSED.items():
        answer = await lab.as_().get("/lab/things", headers={"Authorization": f"Bearer {refused}"})
        assert answer.status_code == 401, name
        problem(answer, 401)


async def test_a_token_is_good_until_it_runs_out(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    assert (await lab.as_().get("/lab/things", headers=headers)).status_code == 200

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(hours=2)

    monkeypatch.setattr(tokens, "datetime", Later)
    monkeypatch.setattr(jwt.api_jwt, "datetime", Later)
    problem(await lab.as_().get("/lab/things", headers=headers), 401)


async def test_roles_nobody_knows_are_worth_nothing(lab: Lab) -> None:
    headers = {"Authorization": f"Bearer {token(roles=['root', 'team_lead '])}"}
    assert (await lab.as_().get("/lab/things", headers=headers)).status_code == 200
    problem(await lab.as_().get("/lab/teams", headers=headers), 403)


@contextmanager
def checking(lab: Lab, **settings: Any) -> Iterator[None]:
    """The application checks tokens by other settings."""
    guard: Any = lab.app.middleware_stack
    while not hasattr(guard, "_verifier"):
        guard = guard.app
    before = guard._verifier
    guard._verifier = Verifier(Settings(**settings))
    yield
    guard._verifier = before


async def test_a_public_key_checks_and_cannot_sign(lab: Lab) -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    await lab.as_("agent").get("/lab/things")  # builds the application
    ours = token(key=private, algorithm="RS256", iss="us", aud="headset")
    signed, key = unsigned("HS256").rstrip("."), public.decode()
    confused = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), hashlib.sha256)).decode().rstrip("=")
    settings = {"jwt_key": key, "jwt_algorithm": "RS256", "jwt_issuer": "us", "jwt_audience": "headset"}
    with checking(lab, **settings):
        for sent, status in {
            ours: 200,
            f"{signed}.{confused}": 401,
            token(key=private, algorithm="RS256", iss="them", aud="headset"): 401,
            token(key=private, algorithm="RS256", iss="us", aud="others"): 401,
            token(key=private, algorithm="RS256"): 401,
            token(): 401,
        }.items():
            answer = await lab.as_().get("/lab/things", headers={"Authorization": f"Bearer {sent}"})
            assert answer.status_code == status
    with checking(lab):
        answer = await lab.as_().get("/lab/things", headers={"Authorization": f"Bearer {ours}"})
        assert "HEADSET_JWT_KEY" in problem(answer, 401)["detail"]


# What every request leaves behind.


async def test_a_request_is_part_of_the_trace_it_names(lab: Lab) -> None:
    trace = "00-" + "c" * 32 + "-" + "d" * 16 + "-01"
    await lab.as_("hr").post("/lab/things", json={"id": "a", "n": 1}, headers={"traceparent": trace})
    [row] = await lab.outbox()
    assert row["headers"]["traceparent"].split("-")[1] == "c" * 32


async def test_metrics_name_routes_and_never_ids(lab: Lab) -> None:
    client = lab.as_("hr")
    await client.get("/lab/things/a-secret-id")
    await client.request("BREW", "/somewhere/else/secret")
    text_ = (await lab.as_().get("/metrics")).text
    assert 'route="/lab/things/{id}",status="404"' in text_
    assert 'method="other"' in text_
    assert "secret" not in text_


async def test_values_of_a_failed_statement_stay_out_of_the_logs(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011  whatever it is, it must not tell
        async with lab.db.transaction() as tx:
            await tx.run(text("INSERT INTO lab.things VALUES (:name, 1, NULL)"), {"name": "Zhang San"})
    assert "[parameters" not in str(error.value)
