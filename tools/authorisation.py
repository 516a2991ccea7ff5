"""Who may do what? `python -m tools.authorisation [--check]` prints the table of authorisation for readers."""

import sys
from pathlib import Path

from services.all import SERVICES
from shared.authorisation import OF_ALL, Access, Table
from shared.settings import ROLES

PAGE = Path(__file__).parents[1] / "docs" / "authorisation.md"
SHOWN = tuple(role for role in ROLES if role != "admin")
HEAD = f"""# Who may do what

Generated from `services/*/access.py` and `shared/authorisation.py` by `make generate`; a request is held against the
same lines. `own`: with one's own data only; `team`: also with that of those one leads; `all`: with everybody's; an
empty field: not at all (403). What is not in sight answers 404. `admin` may everything. ● marks answers with personal
data: who reads that of others is written down (`GET /reads`). What a state allows, and that nobody judges themselves,
the domain says on top of this; whose step of recruiting is whose, the table of steps.

Roles: {", ".join(f"`{role}`" for role in SHOWN)}. "anybody" is whoever has an identity, also without a role.
"""


def page() -> str:
    """The page: a table for each service, a line for each route."""
    parts = [HEAD, _table("Every service", OF_ALL)]
    parts += [_table(service.name.capitalize(), service.access) for service in SERVICES]
    return "\n".join(parts)


def _table(title: str, lines: Table) -> str:
    columns = "".join(f" {role} |" for role in ("anybody", *SHOWN))
    rows = [f"\n## {title}\n", f"| route |{columns}", f"| --- |{' --- |' * (len(SHOWN) + 1)}"]
    for (method, path), line in sorted(lines.items(), key=lambda one: one[0][::-1]):
        rows.append(_row(method, path, line))
    return "\n".join(rows) + "\n"


def _row(method: str, path: str, line: Access) -> str:
    anybody = "without identity" if line.open else line.everybody or ""
    cells = [anybody, *(line.whose(frozenset({role})) or "" for role in SHOWN)]
    return f"| `{method} {path}`{' ●' if line.personal else ''} |" + "".join(f" {cell} |" for cell in cells)


def main() -> int:
    fresh = page()
    if "--check" in sys.argv:
        stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != fresh
        if stale:
            print("docs/authorisation.md is not up to date; run 'make generate'.")
        return int(stale)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
