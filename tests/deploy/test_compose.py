"""Is the compose file what Compose takes, safe as it stands, and complete?"""

import json
import re
from importlib.resources import files

import jsonschema
import pytest
import yaml

from services.one import named
from tests.deploy.reading import NAMES, SECRETS, Unset, compose, interpolated, ours
from tools.kustomize import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_it_is_valid_by_the_compose_specification() -> None:
    schemas = files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json")
    jsonschema.validate(compose(), json.loads(schemas.read_text(encoding="utf-8")))


@pytest.mark.parametrize("missing", SECRETS)
def test_a_password_that_is_not_set_is_named_with_what_to_do(missing: str) -> None:
    with pytest.raises(Unset, match=rf"^{missing}: put it into \.env, see docs/deploy\.md$"):
        compose({name: value for name, value in SECRETS.items() if name != missing})


def test_no_password_is_in_the_file() -> None:
    for name, one in yaml.safe_load(TEXT)["services"].items():
        for variable, value in (one.get("environment") or {}).items():
            if re.search("PASSWORD|KEY|DATABASE_URL", variable):
                assert re.search(r"\$\{\w+:\?", value), f"{name}: {variable}"


def test_only_this_machine_reaches_what_is_published() -> None:
    for name, one in compose()["services"].items():
        for port in one.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_images_have_a_version() -> None:
    for name, one in compose()["services"].items():
        assert re.search(r":v?\d+(\.\d+)*$", one["image"]), name


def test_each_service_migrates_then_answers_and_works() -> None:
    file = compose()["services"]
    expected = {f"{name}-{kind}" for name in NAMES for kind in ("migrate", "api", "worker")} | {"topics"}
    assert set(ours({"services": file})) == expected
    for name in NAMES:
        named(name)
        for kind, command in (("api", "serve"), ("worker", "work"), ("migrate", "migrate")):
            assert file[f"{name}-{kind}"]["command"] == [command, name]
        for kind in ("api", "worker"):
            waits = {other: one["condition"] for other, one in file[f"{name}-{kind}"]["depends_on"].items()}
            assert waits == dict.fromkeys([f"{name}-migrate", "topics"], "service_completed_successfully")
        assert file[f"{name}-migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert file["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}


def test_what_stays_is_checked_and_kept() -> None:
    file = compose()
    for name, one in file["services"].items():
        if not name.endswith("-migrate") and name != "topics":
            assert one["healthcheck"]["test"][0] == "CMD", name
            assert one["restart"] == "unless-stopped", name
    mounted = {volume.split(":")[0] for one in file["services"].values() for volume in one.get("volumes", ())}
    assert set(file["volumes"]) == {volume for volume in mounted if not volume.startswith(".")}
    assert all(any((ROOT / path).iterdir()) for path in mounted if path.startswith("."))


def test_containers_of_ours_can_change_nothing() -> None:
    for name, one in ours(compose()).items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert not one.keys() & {"volumes", "tmpfs", "privileged", "user"}, name


def test_the_image_is_small_in_what_it_can_do() -> None:
    *_, final = DOCKERFILE.split("\nFROM ")
    installed = re.findall(r"apt-get install --yes --no-install-recommends ([\w\s.+-]+)", final)
    assert [words.split() for words in installed] == [["python3"]]
    assert re.findall(r"^USER (.*)$", final, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^ENTRYPOINT (.*)$", final, re.MULTILINE) == ['["headset"]']


def test_the_image_is_made_of_what_is_there_and_let_through() -> None:
    let_through = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    copied = [
        source for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()
    ]
    assert sorted(copied) == sorted(let_through)
    assert all((ROOT / source).exists() for source in copied)


def test_defaults_are_put_in() -> None:
    assert interpolated({"a": ["${A:-b} ${C:?no}", "${D:-}", 1]}, {"C": "c"}) == {"a": ["b c", "", 1]}
