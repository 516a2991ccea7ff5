"""Do the pure rules of performance hold for any input?"""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.performance.domain.explanation import Line, Reversal, apportion, explain
from services.performance.domain.facts import milliseconds
from services.performance.domain.indicators import Formula, Indicator
from services.performance.domain.ledger import Booked, Movement, Revision, movements
from services.performance.domain.templates import AUDIT_INDICATOR, Band, Result, Standing, Template
from services.performance.domain.templates import result as result_of

AT = datetime(2026, 3, 2, tzinfo=UTC)
AUDIT, APPRAISAL = uuid4(), uuid4()

scores = st.decimals(0, 100, places=2)
INDICATOR = {"service_quality": AUDIT_INDICATOR, "efficiency": "handling_time"}
fates = st.lists(st.none() | scores, min_size=1, max_size=6)
"""Score of each revision of an audit, null where it counts for nothing."""


def result(template: Template, standings: dict[str, tuple[Decimal, int]]) -> Result:
    """With one indicator in each dimension: the sum of its points, and how many they are."""
    found = {name: {INDICATOR[name]: Standing(total, Decimal(n), n)} for name, (total, n) in standings.items()}
    return result_of(template, found)


class Ledger:
    """A ledger as the database keeps it, with its rules."""

    def __init__(self) -> None:
        self.lines: dict[UUID, Movement] = {}

    def entries(self) -> list[Movement]:
        return [line for line in self.lines.values() if line.kind == "entry"]

    def live(self) -> list[Movement]:
        return [line for line in self.entries() if line.reversed_by is None]

    def settle(self, known: dict[int, Revision]) -> int:
        booked = {line.revision: Booked(line.id, line.reversed_by is not None) for line in self.entries()}
        revisions = [revision._replace(booked=booked.get(n)) for n, revision in known.items()]
        added = movements(APPRAISAL, AUDIT, revisions, dimension="d", indicator="i", at=AT)
        for line in added:
            if line.reverses in self.lines:
                assert self.lines[line.reverses].reversed_by is None, "reversed twice"
                self.lines[line.reverses] = self.lines[line.reverses]._replace(reversed_by=line.id)
        for line in added:
            assert line.id not in self.lines
            self.lines[line.id] = line
        assert len(self.live()) <= 1, "at most one entry stands, at any time"
        return len(added)


@given(fates, st.data())
def test_ledger_converges_in_any_order_and_however_often(fate: list[Decimal | None], data: st.DataObject) -> None:
    revisions = [Revision(n, f"event {n}", score) for n, score in enumerate(fate, 1)]
    deliveries = data.draw(st.permutations(revisions * 2))
    ledger, known = Ledger(), dict[int, Revision]()
    for revision in deliveries:
        known[revision.number] = revision
        ledger.settle(known)
        assert ledger.settle(known) == 0, "twice is once"
        standing = known[max(known)]
        assert [line.value for line in ledger.live()] == ([] if standing.score is None else [standing.score])
    counted = [r for r in revisions if r.score is not None]
    assert sorted((e.revision, e.value) for e in ledger.entries()) == [(r.number, r.score) for r in counted]
    reversals = [line for line in ledger.lines.values() if line.kind == "reversal"]
    assert len(reversals) == len(counted) - len(ledger.live())
    for reversal in reversals:
        assert reversal.reverses is not None
        entry = ledger.lines[reversal.reverses]
        assert (entry.reversed_by, entry.value) == (reversal.id, reversal.value)
        assert reversal.revision > entry.revision


@given(scores, st.lists(scores, min_size=1, max_size=50))
def test_parts_add_up_to_the_whole(whole: Decimal, shares: list[Decimal]) -> None:
    parts = apportion(whole, shares)
    assert sum(parts) == whole
    assert all(part >= 0 for part in parts)
    if any(shares):
        for part, share in zip(parts, shares, strict=True):
            assert abs(part - whole * share / sum(shares)) <= Decimal("0.000001")
    for (a, x), (b, y) in pairwise(sorted(zip(shares, parts, strict=True))):
        assert a == b or x <= y


def line(value: Decimal, dimension: str = "service_quality", *, live: bool = True) -> Line:
    reversal = None if live else Reversal(id=uuid4(), revision=2, event_id="e2", at=AT)
    return Line(
        uuid4(), dimension, INDICATOR[dimension], uuid4(), 1, "e1", "call", "card", value, AT, reversal, points=value
    )


@given(
    st.lists(
        st.builds(line, scores, st.sampled_from(["service_quality", "efficiency"]), live=st.booleans()), max_size=30
    )
)
def test_explanation_equals_the_total_exactly(lines: list[Line]) -> None:
    template = Template()
    explanation = explain(template, lines)
    live = [entry for entry in lines if entry.reversal is None]
    assert {e.id for e in explanation.entries} == {e.id for e in live}
    assert {e.id for e in explanation.reversed} == {e.id for e in lines if e.reversal}

    def outcome(of: list[Line]) -> Any:
        names = {entry.dimension for entry in of}
        values = {name: [entry.value for entry in of if entry.dimension == name] for name in names}
        return result(template, {name: (sum(v, Decimal(0)), len(v)) for name, v in values.items()})

    full = outcome(live)
    assert (explanation.total, explanation.grade) == (full.total, full.grade)
    assert sum((e.points for e in explanation.entries), Decimal(0)) == (full.total or 0)
    for name, dimension in explanation.dimensions.items():
        own = [e for e in explanation.entries if e.dimension == name]
        assert dimension.score == full.dimensions[name].score
        assert sum((e.contribution for e in own), Decimal(0)) == (dimension.score or 0)
        assert sum((e.points for e in own), Decimal(0)) == (dimension.points or 0)
    for entry in explanation.entries:
        without = outcome([other for other in live if other.id != entry.id])
        before = without.dimensions[entry.dimension].score
        assert entry.sole == (before is None)
        after = full.dimensions[entry.dimension].score
        assert entry.moved.score == (None if before is None else after - before)
        assert entry.moved.total == (None if without.total is None else full.total - without.total)


def test_missing_dimensions_are_left_out_and_never_zero() -> None:
    alone = result(Template(), {"service_quality": (Decimal(170), 2)})
    assert (alone.total, alone.grade) == (Decimal("85.00"), "B")
    both = result(Template(), {"service_quality": (Decimal(80), 1), "efficiency": (Decimal(100), 1)})
    assert both.total == Decimal("87.50")  # (50 × 80 + 30 × 100) / 80
    none = result(Template(), {})
    assert (none.total, none.grade) == (None, None)
    assert none.dimensions["efficiency"] == (Decimal(30), None, 0)


def test_scores_round_half_even_to_two_places() -> None:
    assert result(Template(), {"service_quality": (Decimal("160.01"), 2)}).total == Decimal("80.00")
    assert result(Template(), {"service_quality": (Decimal("160.03"), 2)}).total == Decimal("80.02")


@pytest.mark.parametrize(
    ("total", "grade"),
    [("100", "A"), ("90", "A"), ("89.99", "B"), ("80", "B"), ("70", "C"), ("69.99", "D"), ("0", "D")],
)
def test_grades(total: str, grade: str) -> None:
    assert result(Template(), {"service_quality": (Decimal(total), 1)}).grade == grade


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimensions": {"service_quality": 50, "efficiency": 49}},
        {"dimensions": {"efficiency": 100}},
        {"dimensions": {"service_quality": 100, "efficiency": 0}},
        {"bands": []},
        {"bands": [{"grade": "A", "at_least": 50}]},
        {"bands": [{"grade": "D", "at_least": 0}, {"grade": "A", "at_least": 50}]},
        {"bands": [{"grade": "A", "at_least": 50}, {"grade": "A", "at_least": 0}]},
        {"missing": "zero"},
        {"unheard_of": 1},
    ],
)
def test_templates_that_do_not_hold_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Template.model_validate(wrong)


def test_bands_are_data() -> None:
    bands = (Band(grade="pass", at_least=Decimal(60)), Band(grade="fail", at_least=Decimal(0)))
    assert result(Template(bands=bands), {"service_quality": (Decimal(61), 1)}).grade == "pass"


def indicator(formula: Formula, scale: str = "1") -> Indicator:
    names = {"en": "x", "zh": "x"}
    return Indicator(uuid4(), "x", 1, date(2000, 1, 1), "calls", formula, "m", "b", Decimal(scale), names, "x", "more")


def test_values_of_indicators() -> None:
    assert indicator("mean", "0.001").of({"m": 100_001, "b": 3}) == (Decimal("33.3337"), 3, None)
    assert indicator("count").of({"m": 0, "b": 5}) == (Decimal(0), 5, None)
    assert indicator("mean").of({"m": 0, "b": 0}) == (None, 0, None)
    value, n, interval = indicator("rate").of({"m": 8, "b": 10})
    assert (value, n) == (Decimal("0.8000"), 10)
    assert interval == (Decimal("0.4902"), Decimal("0.9433"))  # Wilson, as published for 8 of 10


def test_milliseconds_keep_unknown_apart_from_zero() -> None:
    assert [milliseconds(s) for s in (None, 0.0, 0.1, 12.3456, 1_000_000.0)] == [None, 0, 100, 12346, 1_000_000_000]
