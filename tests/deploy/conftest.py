"""What is rendered once for all tests of the manifests? Without kustomize they are skipped; in CI that is a failure."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.reading import OVERLAYS, WITH_URLS, Overlay
from tools.kustomize import ROOT, NoKustomize, render

no_kustomize: list[str] = []  # why, once somebody asked for it in vain


@pytest.fixture(scope="session")
def overlays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Overlay]:
    """The manifests of each overlay, and of production with PostgreSQL by URL."""
    directories = {name: ROOT / "deploy" / "k8s" / "overlays" / name for name in OVERLAYS}
    by_url = tmp_path_factory.mktemp("by-url")
    directories[WITH_URLS] = by_url
    (by_url / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "resources": [_path(by_url, "overlays/production")],
                "components": [_path(by_url, "components/database-by-url")],
            }
        )
    )
    try:
        return {name: Overlay(list(yaml.safe_load_all(render(path)))) for name, path in directories.items()}
    except NoKustomize as reason:
        no_kustomize.append(str(reason))
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to render the manifests: {reason}", pytrace=False)
        pytest.skip("no kustomize")


def _path(from_: Path, to: str) -> str:
    return os.path.relpath((ROOT / "deploy" / "k8s" / to).resolve(), from_.resolve())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if no_kustomize:
        terminalreporter.write_line(f"Tests of the manifests did not run: {no_kustomize[0]}", yellow=True)
