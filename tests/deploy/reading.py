"""What do the compose file and the manifests name? Read as Compose and Kubernetes read them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import AliasChoices

from services.all import SERVICES
from shared.settings import Settings
from tools.kustomize import ROOT

NAMES = [service.name for service in SERVICES]
OVERLAYS = ("dev", "production")
WITH_URLS = "production with PostgreSQL by URL"
SECRETS = {"POSTGRES_PASSWORD": "pg", "HEADSET_JWT_KEY": "a key for this test, long enough", "GRAFANA_PASSWORD": "g"}

Document = dict[str, Any]


def variables() -> dict[str, str]:
    """Every environment variable that sets something → the field of `Settings` that it sets."""
    known = {}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        for variable in alias.choices if isinstance(alias, AliasChoices) else [f"HEADSET_{name.upper()}"]:
            known[str(variable)] = name
    return known


class Unset(Exception):
    """What Compose says of a variable that must be set."""


def interpolated(value: Any, given: Mapping[str, str]) -> Any:
    """`${A:-default}` and `${A:?message}` in what was read, as Compose replaces them."""

    def replace(found: re.Match[str]) -> str:
        name, kind, rest = found[1], found[2], found[3]
        if given.get(name):
            return given[name]
        if kind == "?":
            raise Unset(f"{name}: {rest}")
        return str(rest)

    match value:
        case dict():
            return {key: interpolated(one, given) for key, one in value.items()}
        case list():
            return [interpolated(one, given) for one in value]
        case str():
            return re.sub(r"\$\{(\w+):([?-])([^}]*)\}", replace, value)
    return value


def compose(given: Mapping[str, str] = SECRETS) -> Document:
    """The compose file with the variables of `.env` put in."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    read: Document = interpolated(yaml.safe_load(text), given)
    return read


def ours(file: Document) -> dict[str, Document]:
    """The containers that run Headset."""
    return {name: one for name, one in file["services"].items() if one["image"].startswith("headset:")}


@dataclass(frozen=True)
class Overlay:
    """Everything that one overlay renders."""

    documents: list[Document]

    def all(self, kind: str) -> dict[str, Document]:
        """Name → document."""
        return {one["metadata"]["name"]: one for one in self.documents if one["kind"] == kind}

    def pods(self) -> Iterator[tuple[str, Document]]:
        """Each pod template with the name of its Deployment or Job."""
        for kind in ("Deployment", "Job"):
            for name, one in self.all(kind).items():
                yield name, one["spec"]["template"]

    def environment(self, pod: Document, secrets: Mapping[tuple[str, str], str]) -> dict[str, str]:
        """What the container finds around it; raises `KeyError` for a Secret that nobody makes."""
        [container] = pod["spec"]["containers"]
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self.all("ConfigMap")[source["configMapRef"]["name"]]["data"]
        for one in container.get("env", ()):
            if "value" in one:
                found[one["name"]] = one["value"]
                continue
            reference = one["valueFrom"]["secretKeyRef"]
            key = (reference["name"], reference["key"])
            if key in secrets or not reference.get("optional"):
                found[one["name"]] = secrets[key]
        return found

    def settings(self) -> Settings:
        """The settings that its ConfigMap makes, nothing from this machine's environment."""
        [data] = [one["data"] for one in self.all("ConfigMap").values()]
        known = variables()
        return Settings.model_validate({known[variable]: value for variable, value in data.items()})


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches, by the rules of Kubernetes."""
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
