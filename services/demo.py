"""What does a newcomer see? A small demo centre, made through the API itself, and what a failed audit sets off.

Everything is generated with a fixed seed from the day of the first start, under identifiers and idempotency keys that
follow from it: a seeding that was killed in the middle goes on where it was, and nothing is there twice.
"""

import asyncio
import json
import random
import shlex
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from services.directory import remembered
from shared.i18n import say
from shared.ids import id_for
from shared.settings import Role, Settings
from shared.tokens import own_key, sign

SEED = 20_08
CALLS = 400
DAYS = 28
TEAMS = ("north", "south")
QUEUES = {"enquiries": 0.6, "complaints": 0.25, "technical": 0.15}
TOPICS = ("billing", "contract", "fault", "installation", "streaming")
NAMES = (
    "Chen Jing", "Li Na", "Wang Fang", "Zhang Wei", "Liu Yang", "Yang Min", "Zhao Lei", "Huang Ting", "Zhou Jie",
    "Wu Xia", "Xu Hui", "Sun Li", "Ma Chao", "Zhu Lin", "Hu Bo", "Guo Yan", "He Ping", "Lin Tao", "Luo Mei",
    "Gao Feng", "Liang Qi", "Zheng Yu", "Xie Dan", "Song Jun", "Tang Yi", "Deng Rui", "Han Xue", "Feng Kai",
    "Cao Ying", "Peng Hao", "Zeng Lu", "Xiao Rong", "Tian Ye", "Dong Xin", "Pan Yue",
)  # fmt: skip

Say = Callable[..., str]
Who = tuple[str, Role]
"""`sub` and role of whoever does a step."""

BOSS: Who = ("demo", "manager")


class Api:
    """Headset as a client sees it, in turn as each of the people of the demo centre."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    async def call(self, method: str, path: str, who: Who, body: Any = None, **headers: str) -> Any:
        sub, role = who
        if method == "POST":
            headers.setdefault("Idempotency-Key", f"demo {path} {headers.pop('step', '')}".strip())
        token = sign(self._settings, sub, role)
        answer = await self._client.request(
            method, path, content=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json", **headers, "Authorization": f"Bearer {token}"},
        )  # fmt: skip
        if answer.is_error:
            raise RuntimeError(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    async def get(self, path: str, who: Who) -> Any:
        return await self.call("GET", path, who)

    async def until(self, path: str, who: Who, enough: Callable[[Any], bool]) -> Any:
        """What this answers once it is enough; events take a moment to arrive."""
        deadline = asyncio.get_running_loop().time() + 30
        while not enough(answer := await self.get(path, who)):
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeError(f"{path} still answers {answer}")
            await asyncio.sleep(0.02)
        return answer


async def welcome(settings: Settings, address: str, *, seed: bool) -> None:
    """Have the demo centre, and tell the newcomer what there is to see."""
    console = Console()
    settings = Settings(**{**settings.model_dump(), "jwt_key": settings.jwt_key or own_key(settings.data)})
    known = remembered(settings.data)

    def speak(sentence: str, /, **values: object) -> str:
        return say(settings.language, sentence, **values)

    if seed and not known.get("ready"):
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            known = await _seed(Api(client, settings), settings, known, console)
    _tell(console, speak, address, known, settings)


async def _seed(api: Api, settings: Settings, known: dict[str, Any], console: Console) -> dict[str, Any]:
    anchor = date.fromisoformat(known.get("anchor") or datetime.now(settings.zone).date().isoformat())
    _remember(settings.data, {"anchor": anchor.isoformat()})
    staff = _staff(anchor)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(say(settings.language, "Employees"), total=len(staff))
        for person in staff:
            await api.call("POST", "/recruiting/employees", ("demo", "hr"), person, step=person["id"])
            progress.advance(task)
        quarter = (anchor.month - 1) // 3
        first = date(anchor.year, 3 * quarter + 1, 1)
        last = (first + timedelta(days=95)).replace(day=1) - timedelta(days=1)
        cycle = {
            "code": f"{anchor.year}-Q{quarter + 1}",
            "kind": "quarterly",
            "from": str(first),
            "to": str(last),
        }
        await api.call("POST", "/performance/cycles", BOSS, cycle)
        agents = [person for person in staff if person["agent_id"]]
        events = _calls(agents, anchor, settings)
        task = progress.add_task(say(settings.language, "Calls"), total=len(events))
        for start in range(0, len(events), 500):
            part = events[start : start + 500]
            batch = {"Content-Type": "application/cloudevents-batch+json"}
            await api.call("POST", "/events", ("demo", "service"), part, step=f"calls {start}", **batch)
            progress.advance(task, len(part))
        answered = sum(1 for e in events if e["type"] == "telephony.call.ended.v1" and e["data"]["answered_at"])
        await api.until(
            "/qa/recordings?limit=500",
            ("demo", "admin"),
            lambda page: len(page["items"]) >= min(answered, 500),
        )
        auditors = [p["id"] for p in staff if p["role"] == "auditor"]
        task = progress.add_task(say(settings.language, "Audits"), total=8)
        audits = await _audits(api, auditors, lambda: progress.advance(task))
        chain = await _chain(api, audits)
    counts = {"employees": len(staff), "calls": CALLS, "audits": len(audits)}
    failed = next(person for person in staff if person["id"] == chain["employee_id"])
    people: dict[Role, str] = {
        "agent": failed["id"], "team_lead": failed["team_lead_id"], "auditor": auditors[0],
        **{p["role"]: p["id"] for p in staff if p["role"] in ("trainer", "hr", "call_centre", "manager")},
    }  # fmt: skip
    done = {"anchor": str(anchor), "ready": True, "counts": counts, "people": people, "chain": chain}
    _remember(settings.data, done)
    return done


def _staff(anchor: date) -> list[dict[str, Any]]:
    """About thirty people in two teams, leads first, for others name them."""
    chance = random.Random(SEED)
    names = iter(NAMES)
    born = datetime.combine(anchor, time(), UTC)

    def person(login: str, role: str, department: str, team: str | None = None, **more: Any) -> dict[str, Any]:
        since = anchor - timedelta(days=chance.randrange(DAYS + 30, 1500))
        return {
            "id": str(id_for(born, "demo", login)), "agent_id": None, "name": next(names), "department": department,
            "role": role, "team": team, "date": str(since), **more,
        }  # fmt: skip

    staff = [person(f"lead-{team}", "supervisor", "customer_service", team) for team in TEAMS]
    leads = {lead["team"]: lead["id"] for lead in staff}
    number = 1000
    for team in TEAMS:
        seniors: list[str] = []
        for n in range(12):
            number += 1
            role = "senior_agent" if n < 3 else "agent"
            mentor = None if n < 3 else seniors[n % 3]
            agent = person(
                str(number), role, "customer_service", team,
                agent_id=str(number), team_lead_id=leads[team], mentor_id=mentor,
            )  # fmt: skip
            if n < 3:
                seniors.append(agent["id"])
            staff.append(agent)
    others = (("auditor-1", "auditor"), ("auditor-2", "auditor"), ("trainer", "trainer"), ("hr", "hr"))
    staff += [person(login, role, "quality" if role == "auditor" else role) for login, role in others]
    staff += [person(login, login, "management") for login in ("call_centre", "manager")]
    return staff


def _calls(agents: list[dict[str, Any]], anchor: date, settings: Settings) -> list[dict[str, Any]]:
    """A few hundred calls of the four weeks before, with the cases and ratings that came of them."""
    chance = random.Random(SEED)
    events: list[dict[str, Any]] = []
    for n in range(CALLS):
        agent = chance.choice(agents)
        day = anchor - timedelta(days=1 + chance.randrange(DAYS))
        clock = time(9 + chance.randrange(9), chance.randrange(60), chance.randrange(60))
        began = datetime.combine(day, clock, settings.zone).astimezone(UTC)
        answered = chance.random() < 0.88
        wait = min(300, int(chance.expovariate(1 / 25)))
        talk = 40 + int(chance.expovariate(1 / 180)) if answered else None
        ended = began + timedelta(seconds=wait + (talk or 0))
        call = {
            "call_id": f"demo-{n:05}", "agent_id": agent["agent_id"], "customer_ref": f"c{chance.randrange(90_000):05}",
            "direction": "inbound", "queue": chance.choices(list(QUEUES), list(QUEUES.values()))[0],
            "topic": chance.choice(TOPICS), "started_at": began.isoformat(),
            "answered_at": (began + timedelta(seconds=wait)).isoformat() if answered else None,
            "ended_at": ended.isoformat(), "wait_seconds": wait, "talk_seconds": talk, "hold_seconds": 0,
            "wrap_up_seconds": 20 if answered else None,
            "recording_uri": f"recordings://demo/{n:05}" if answered else None,
        }  # fmt: skip
        events.append(_event("telephony.call.ended.v1", ended, call))
        if not answered:
            continue
        resolved = chance.random() < 0.85
        case = {
            "case_id": f"demo-case-{n:05}", "call_id": call["call_id"], "agent_id": agent["agent_id"],
            "category": call["topic"], "opened_at": began.isoformat(), "closed_at": ended.isoformat(),
            "resolved": resolved, "first_contact": resolved and chance.random() < 0.8,
        }  # fmt: skip
        events.append(_event("crm.case.resolved.v1", ended, case))
        if chance.random() < 0.5:
            rating = min(5, max(1, round(chance.gauss(3.9 if resolved else 2.6, 0.9))))
            rated = {"call_id": call["call_id"], "agent_id": agent["agent_id"], "rating": rating}
            events.append(_event("crm.satisfaction.rated.v1", ended, {**rated, "rated_at": ended.isoformat()}))
    return events


def _event(kind: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    id = str(id_for(at, kind, data["call_id"]))
    return {
        "specversion": "1.0",
        "id": id,
        "source": "demo",
        "type": kind,
        "time": at.isoformat(),
        "data": data,
    }


async def _audits(api: Api, auditors: list[str], advance: Callable[[], None]) -> list[dict[str, Any]]:
    """Draw a sample, answer and submit its audits; the first of them fails on a fatal criterion."""
    cards = (await api.get("/qa/scorecards", BOSS))["items"]
    card = await api.get(f"/qa/scorecards/{next(c['id'] for c in cards if c['code'] == 'short')}", BOSS)
    fatal = next(c["key"] for c in card["criteria"] if c["fatal"])
    plan = await api.call(
        "POST", "/qa/sampling-plans", BOSS,
        {"name": "Demo: eight calls", "scorecard_id": card["id"], "size": 8, "auditors": auditors},
    )  # fmt: skip
    draw = await api.call("POST", f"/qa/sampling-plans/{plan['id']}/draws", BOSS, {"seed": SEED})
    chance = random.Random(SEED)
    audits = []
    for n, drawn in enumerate(draw["audits"]):
        who: Who = (drawn["auditor_id"], "auditor")
        missed = (
            {fatal} if n == 0 else {c["key"] for c in card["criteria"] if not c["fatal"] and chance.random() < 0.06}
        )
        answers = {c["key"]: _answer(c["key"] in missed) for c in card["criteria"]}
        if (await api.get(f"/qa/audits/{drawn['id']}", who))["status"] == "draft":
            await api.call("PUT", f"/qa/audits/{drawn['id']}/answers", who, {"answers": answers})
        audits.append(await api.call("POST", f"/qa/audits/{drawn['id']}/submit", who))
        advance()
    return audits


def _answer(missed: bool) -> dict[str, Any]:
    return {"value": "no", "comment": "Heard at this second.", "at_seconds": 31} if missed else {"value": "yes"}


async def _chain(api: Api, audits: list[dict[str, Any]]) -> dict[str, Any]:
    """What the failed audit led to: the assignment and the entry in the appraisal, with their addresses."""
    failed = next(audit for audit in audits if audit["result"] == "failed")
    assignments = await api.until(
        f"/training/coaching-assignments?audit_id={failed['id']}", BOSS, lambda page: bool(page["items"])
    )
    assignment = assignments["items"][0]
    employee = failed["employee_id"]
    appraisals = await api.until(
        f"/performance/appraisals?employee_id={employee}", BOSS,
        lambda page: bool(page["items"]) and page["items"][0]["dimensions"]["service_quality"]["score"] is not None,
    )  # fmt: skip
    appraisal = appraisals["items"][0]
    return {
        "employee_id": employee,
        "audit": f"/qa/audits/{failed['id']}",
        "score": failed["score"],
        "assignment": f"/training/coaching-assignments/{assignment['id']}",
        "due_on": assignment["due_on"],
        "appraisal": f"/performance/appraisals/{appraisal['id']}/explanation",
        "service_quality": appraisal["dimensions"]["service_quality"]["score"],
    }


def _remember(directory: Path, what: dict[str, Any]) -> None:
    file = directory / "demo.json"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(what, indent=2) + "\n", encoding="utf-8")
    fresh.replace(file)


def _tell(console: Console, speak: Say, address: str, known: dict[str, Any], settings: Settings) -> None:
    if chain := known.get("chain"):
        counts = known["counts"]
        console.print(
            speak(
                "The demo centre: {employees} employees, {calls} calls, {audits} audits, one of them failed.",
                **counts,
            )
        )
        steps = (
            (speak("audit failed, score {score}", score=chain["score"]), chain["audit"]),
            (speak("→ coaching assigned, due on {day}", day=chain["due_on"]), chain["assignment"]),
            (
                speak("→ appraisal entry, service quality now {score}", score=chain["service_quality"]),
                chain["appraisal"],
            ),
        )
        for n, (words, path) in enumerate(steps):
            console.print(f"{'   ' * n}{words}\n{'   ' * n}{address}{path}", soft_wrap=True, highlight=False)
    lines = [
        speak("Headset answers at {address}", address=f"{address}/docs"),
        speak("Its data is in {directory}", directory=settings.data.absolute()),
    ]
    if people := known.get("people"):
        lines.append(speak("Roles: {roles}", roles=", ".join([*people, "admin", "service"])))
    if settings.jwks_url is None:
        command = f"{_headset(settings)} --as {'manager' if known.get('people') else 'admin'}"
        first = chain["audit"] if chain else "/qa/recordings"
        lines.append(speak("A token: {command}", command=command))
        lines.append(
            speak("To ask: {command}", command=f'curl -H "Authorization: Bearer $({command})" {address}{first}')
        )
        lines.append(
            speak("Its signing key and its users are its own, for this machine only; others need HEADSET_JWKS_URL.")
        )
    lines.append(speak("To stop: Ctrl-C"))
    console.print("\n".join(lines), soft_wrap=True, highlight=False)


def _headset(settings: Settings) -> str:
    """How to get a token, to be typed in another terminal in the directory of this one."""
    me, here = Path(sys.argv[0]), shutil.which("headset")
    named = me.name == "headset" and not (here and Path(here).samefile(me))
    data = [] if settings.data == Settings.model_fields["data"].default else ["--data", str(settings.data)]
    return shlex.join([str(me) if named else "headset", "token", *data])
