"""What is rendered once for all tests of the manifests? Without kustomize they are skipped; in CI that is a failure."""

import os
from pathlib import Path

import pytest
import yaml

from tests.conftest import NOT_RUN
from tests.deploy.reading import OVERLAYS, WITH_URLS, Overlay
from tools.kustomize import ROOT, NoKustomize, render


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
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to render the manifests: {reason}", pytrace=False)
        pytest.skip(f"{NOT_RUN[1]}{reason}")


def _path(from_: Path, to: str) -> str:
    return os.path.relpath((ROOT / "deploy" / "k8s" / to).resolve(), from_.resolve())
