"""What does the pipeline of recruiting look like? `python -m tools.pipeline_picture [--check]` draws docs/pipeline.svg
from the table of steps."""

import sys
from html import escape
from itertools import groupby
from pathlib import Path

from services.recruiting.domain.steps import DECIDED_AS_LISTS, STEP, STEPS, Owner, Record, Step

PICTURE = Path(__file__).parents[1] / "docs" / "pipeline.svg"

WIDTH, TOP, ROW, BOX_WIDTH, BOX_HEIGHT = 1110, 74, 70, 410, 50
LANES: dict[Owner, tuple[int, str, str, str]] = {
    "call_centre": (130, "call centre 呼叫中心", "#eef4f8", "#1f5f8b"),
    "hr": (670, "human resources 人力资源部门", "#fff7e6", "#a8741a"),
}
"""By owner: where the boxes begin, heading, filling, line."""
BANDS: dict[Record, str] = {
    "requisition": "requisition 招聘需求", "application": "application 应聘", "employment": "employment 录用",
}  # fmt: skip


def rows() -> dict[int, int]:
    """In which row each step is: below all that it needs, and alone in its lane. Those that wait for nothing but the
    end of the requisition come last."""

    def depth(n: int) -> int:
        return max((depth(b) + 1 for b in STEP[n].before), default=0)

    found: dict[int, int] = {}
    taken: set[tuple[Owner, int]] = set()
    for step in sorted(STEPS, key=lambda step: (_is_end(step), depth(step.n), step.n)):
        above = [n for n in found if not _is_end(STEP[n])] if _is_end(step) else step.before
        row = max((found[n] + 1 for n in above), default=0)
        while (step.owner, row) in taken:
            row += 1
        taken.add((step.owner, row))
        found[step.n] = row
    return found


def _is_end(step: Step) -> bool:
    return step.n > 1 and not step.before


def arrows() -> list[tuple[int, int]]:
    """What comes directly before what; what follows from the others is left out."""

    def behind(n: int) -> set[int]:
        return set(STEP[n].before).union(*map(behind, STEP[n].before))

    return [
        (a, step.n)
        for step in STEPS
        for a in sorted(step.before)
        if not any(a in behind(b) for b in step.before if b != a)
    ]


def picture() -> str:
    place = rows()
    height = TOP + ROW * (max(place.values()) + 1) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="13" role="img" aria-label="The 22 steps of recruiting, of call centre and human resources">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#345"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        *_bands(place),
        *(
            f'<text x="{left + BOX_WIDTH / 2:.0f}" y="30" text-anchor="middle" font-size="16" font-weight="bold" '
            f'fill="{line}">{heading}</text>'
            for left, heading, _, line in LANES.values()
        ),
        '<g fill="none" stroke="#345" stroke-width="1.4" marker-end="url(#tip)">',
        *(f'<path d="{_path(a, b, place)}"/>' for a, b in arrows()),
        "</g>",
        *(_box(n, place[n]) for n in place),
        f'<text x="20" y="{height - 12}" font-size="12" fill="#456">Arrows: what must be done before. 21 and 22 open '
        "when the requisition is filled or closed. ≡ decided as a list. d: working days allowed.</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _y(row: int) -> int:
    return TOP + ROW * row


def _bands(place: dict[int, int]) -> list[str]:
    """Rows of one record lie on one ground."""
    of_row = {row: STEP[n].record for n, row in place.items()}
    parts = []
    for record, group in groupby(sorted(of_row), key=lambda row: of_row[row]):
        these = list(group)
        top, size = _y(these[0]) - 16, ROW * len(these) - 6
        parts.append(
            f'<rect x="12" y="{top}" width="{WIDTH - 24}" height="{size}" rx="8" fill="#f7f8f9" stroke="#dde2e6"/>'
            f'<text x="24" y="{top + 24}" font-weight="bold" fill="#345">{BANDS[record].split()[0]}</text>'
            f'<text x="24" y="{top + 42}" fill="#345">{BANDS[record].split()[1]}</text>'
        )
    return parts


def _box(n: int, row: int) -> str:
    step = STEP[n]
    left, _, fill, line = LANES[step.owner]
    y = _y(row)
    listed = " ≡" if n in DECIDED_AS_LISTS else ""
    english = escape(step.name_en)
    small = ' font-size="12"' if len(english) > 45 else ""
    right = left + BOX_WIDTH - 10
    bold = f'font-weight="bold" fill="{line}"'
    return (
        f'<g><rect x="{left}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="{fill}" stroke="{line}"/>'
        f'<text x="{left + 28}" y="{y + 31}" text-anchor="middle" font-size="17" {bold}>{n}</text>'
        f'<text x="{left + 52}" y="{y + 21}" fill="#123"{small}>{english}{listed}</text>'
        f'<text x="{left + 52}" y="{y + 40}" fill="#456">{escape(step.name_zh)}</text>'
        f'<text x="{right}" y="{y + 40}" text-anchor="end" font-size="12" fill="#678">{step.days} d</text></g>'
    )


def _path(a: int, b: int, place: dict[int, int]) -> str:
    """Straight down in a lane, beside the boxes that lie between; aslant from lane to lane."""
    (left_a, *_), (left_b, *_) = LANES[STEP[a].owner], LANES[STEP[b].owner]
    bottom, top = _y(place[a]) + BOX_HEIGHT, _y(place[b])
    if left_a == left_b:
        if place[b] - place[a] == 1:
            x = left_a + BOX_WIDTH // 2
            return f"M{x} {bottom}V{top - 2}"
        outer = left_a + BOX_WIDTH  # beside the boxes between
        return f"M{outer} {bottom - 16}h14V{top + 16}h-12"
    start, end = (left_a + BOX_WIDTH, left_b) if left_b > left_a else (left_a, left_b + BOX_WIDTH)
    return f"M{start} {bottom - 14}L{end} {top + 14}"


def main() -> int:
    drawn = picture()
    if "--check" in sys.argv:
        same = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == drawn
        if not same:
            print("docs/pipeline.svg is not as the table of steps has it; run 'make generate'.")
        return int(not same)
    PICTURE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
