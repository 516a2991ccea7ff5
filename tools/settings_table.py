"""Which settings are there? `python -m tools.settings_table [--check]` keeps the table in the README."""

import sys
from pathlib import Path

from shared.settings import Settings

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->"
COMMON = {"database_url": "DATABASE_URL", "kafka": "KAFKA_BOOTSTRAP_SERVERS"}


def table() -> str:
    """A line of Markdown for each setting: variable, default, what it is."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{COMMON.get(name, f'HEADSET_{name.upper()}')}` | {default} | {field.description} |\n")
    return "".join(lines)


def main() -> int:
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    fresh = f"{before}{BEGIN}{table()}{END}{after}"
    if "--check" in sys.argv:
        if fresh != text:
            print("The table of settings in README.md is not up to date; run 'make generate'.")
        return int(fresh != text)
    README.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
