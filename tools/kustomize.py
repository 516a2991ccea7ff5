"""How are the manifests in `deploy/k8s` rendered here? With a `kubectl` or `kustomize` that is new enough.

`python3 tools/kustomize.py` prints the command that does it, or says in a line why there is none. Debian 12's own
kubectl is too old; `.ci/run` builds one from the Go module with Debian's Go. Standard library only.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (5, 1)
"""Since kustomize 5.1, kubectl 1.31, a component sees what the kustomization that includes it generates."""


class NoKustomize(Exception):
    """Why nothing can be rendered here, in one line."""


def command() -> list[str]:
    """What to put before a directory to have it rendered; raises `NoKustomize`."""
    found = []
    for program, version, render in (
        ("kubectl", ["version", "--client"], ["kustomize"]),
        ("kustomize", ["version"], ["build"]),
        (str(ROOT / ".cache" / "bin" / "kustomize"), ["version"], ["build"]),
    ):
        path = shutil.which(program)
        if path is None:
            continue
        said = subprocess.run([path, *version], capture_output=True, text=True, check=False, timeout=60).stdout
        numbers = re.search(r"(?:Kustomize Version: |^)v(\d+)\.(\d+)", said, re.MULTILINE)
        built_here = said.strip() == "(devel)"  # what one says that `go install` made
        if built_here or (numbers and (int(numbers[1]), int(numbers[2])) >= OLDEST):
            return [path, *render]
        found.append(path)
    why = f"{' and '.join(found)} are too old" if found else "there is no kubectl and no kustomize"
    raise NoKustomize(f"kustomize {OLDEST[0]}.{OLDEST[1]} or a kubectl with it is needed, and {why}")


def render(directory: Path) -> str:
    """The manifests of this directory as YAML; raises `NoKustomize`, or `CalledProcessError` where they are wrong."""
    return subprocess.run([*command(), str(directory)], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    try:
        print(*command())
    except NoKustomize as reason:
        sys.exit(f"kustomize: {reason}")
