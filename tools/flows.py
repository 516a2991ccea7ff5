"""What leads to what? `python -m tools.flows [--check]` keeps the list in ARCHITECTURE.md as the code has it."""

import sys
from pathlib import Path

from services.all import flows

DOCUMENT = Path(__file__).parents[1] / "ARCHITECTURE.md"
BEGIN, END = "<!-- flows -->\n", "<!-- /flows -->"


def written(text: str) -> str:
    """The document with the list in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    listed = "\n".join(flows()).replace("->", "→")
    return f"{before}{BEGIN}```\n{listed}\n```\n{END}{after}"


def main() -> int:
    text = DOCUMENT.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        if written(text) != text:
            print("The list of flows in ARCHITECTURE.md is not up to date; run 'make generate'.")
        return int(written(text) != text)
    DOCUMENT.write_text(written(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
