"""Do points, totals, intervals, chains and comparisons of people keep their rules for any input?"""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.performance.domain.appeals import check_impartial, check_window, rater_kind
from services.performance.domain.chain import GENESIS, Head, canonical, link, verify
from services.performance.domain.consequences import Standing as Ranked
from services.performance.domain.consequences import consequences, distribution, needed, places
from services.performance.domain.evidence import Piece, behind
from services.performance.domain.explanation import Line, explain, outcome
from services.performance.domain.fairness import Person, report
from services.performance.domain.indicators import Indicator, Level, Spread, Target, manual_sums
from services.performance.domain.ledger import Movement, remeasured, standings, tallied, tally
from services.performance.domain.templates import ADJUSTMENT, DEFAULT_INDICATORS, PROBATION, Template, result
from shared.errors import Forbidden, IllegalState
from shared.statistics import Interval

AT = datetime(2026, 3, 2, tzinfo=UTC)
scores = st.decimals(0, 100, places=2)
numbers = st.decimals(-1000, 1000, places=3)


def indicator(**given_: Any) -> Indicator:
    fields: dict[str, Any] = {
        "id": uuid4(), "key": "k", "version": 1, "valid_from": date(2000, 1, 1), "source": "calls", "formula": "mean",
        "measure": "wait_ms", "base": "waits", "scale": Decimal("0.001"), "names": {"en": "k", "zh": "k"}, "unit": "s",
        "direction": "less", **given_,
    }  # fmt: skip
    return Indicator(**fields)


levels = st.lists(
    st.tuples(numbers, scores), min_size=2, max_size=8, unique_by=lambda pair: pair[0]
).map(lambda pairs: sorted(pairs))  # fmt: skip


@given(levels, st.booleans(), st.lists(numbers, min_size=2, max_size=20))
def test_points_are_monotone_between_the_levels(given_: Any, more: bool, values: list[Decimal]) -> None:
    points = sorted((p for _, p in given_), reverse=not more)
    steps = tuple(Level(value=v, points=p) for (v, _), p in zip(given_, points, strict=True))
    one = indicator(direction="more" if more else "less", levels=steps)
    for step in steps:
        assert one.points(step.value) == step.points
    for low, high in pairwise(sorted(values)):
        assert one.points(low) <= one.points(high) if more else one.points(low) >= one.points(high)
    assert all(min(points) <= one.points(value) <= max(points) for value in values)


@given(numbers, st.decimals(0, 5, places=2), st.decimals(0, 5, places=2), numbers)
def test_near_a_target_each_side_has_its_slope(target: Decimal, below: Decimal, above: Decimal, value: Decimal) -> None:
    one = indicator(direction="near", target=Target(value=target, below=below, above=above))
    assert one.points(target) == 100
    slope = below if value < target else above
    assert abs(one.points(value) - max(Decimal(0), 100 - slope * abs(value - target))) <= Decimal("0.005")
    interval = Interval(min(value, target) - 1, max(value, target) + 1)
    ends = one.points_between(interval)
    assert ends is not None
    assert ends.low <= one.points(value) <= ends.high == 100


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 100_000)), min_size=2, max_size=40))
def test_means_have_an_interval_that_holds_them(days: list[tuple[int, int]]) -> None:
    sums = {"waits": sum(b for b, _ in days), "wait_ms": sum(m * b for b, m in days)}
    spread = Spread(
        len(days), sum(float(m * b) ** 2 for b, m in days), sum(float(m * b) * b for b, m in days),
        sum(float(b) ** 2 for b, _ in days),
    )  # fmt: skip
    value, n, interval = indicator().of(sums, spread)
    assert value is not None
    assert interval is not None
    assert n == sums["waits"]
    assert 0 <= interval.low <= value + Decimal("0.001")
    assert value - Decimal("0.001") <= interval.high
    if len({m for _, m in days}) == 1:
        assert interval.high - interval.low <= Decimal("0.01"), "days that are all alike leave no doubt"


def test_one_day_says_nothing_of_how_days_vary() -> None:
    assert indicator().of({"waits": 5, "wait_ms": 9000}, Spread(1, 81e6, 45e3, 25.0)).interval is None


def test_ratings_by_hand() -> None:
    assert manual_sums({"self": (1, Decimal(5))}) == (None, 0)
    assert manual_sums({"peer": (2, Decimal(10))}) == (None, 0)
    assert manual_sums({"manager": (1, Decimal(4)), "peer": (3, Decimal(9)), "self": (1, Decimal(5))}) == (3.5, 4)


TEMPLATES = [
    Template(),
    Template(audits="pooled_points"),
    Template(missing="block"),
    PROBATION,
]
KEYS = [(name, key) for name, weights in DEFAULT_INDICATORS.items() for key in weights]


def entry(where: tuple[str, str], points: Decimal, weight: Decimal, sure: bool) -> Line:
    audit = where[1] == "audit_score"
    reach = Decimal(2) if sure else None
    return Line(
        uuid4(), *where, uuid4() if audit else None, 1 if audit else None, "e", None, None, points, AT, None,
        basis="audit" if audit else "indicator", points=points, weight=weight,
        low=None if audit or reach is None else max(Decimal(0), points - reach),
        high=None if audit or reach is None else points,
    )  # fmt: skip


def adjustment(points: Decimal) -> Line:
    where = (ADJUSTMENT, ADJUSTMENT)
    return Line(uuid4(), *where, None, None, "e", None, None, points, AT, None, basis="adjustment", points=points)


entries = st.lists(
    st.builds(entry, st.sampled_from(KEYS), scores, st.decimals(1, 100, places=2), st.booleans()), max_size=40
)
adjustments = st.lists(st.builds(adjustment, st.decimals(-60, 60, places=2)), max_size=4)


@given(st.sampled_from(TEMPLATES), entries, adjustments)
def test_any_ledger_is_explained_exactly(template: Template, own: list[Line], moved: list[Line]) -> None:
    own = [e for e in own if e.dimension in template.dimensions and e.indicator in template.indicators[e.dimension]]
    lines = own + moved
    full, why = outcome(template, lines), explain(template, lines)
    assert (why.total, why.grade) == (full.total, full.grade)
    assert sum((e.points for e in why.entries), Decimal(0)) == (full.total or 0)
    assert {e.id for e in why.entries} == {line.id for line in lines}
    for name, d in why.dimensions.items():
        parts = [e for e in why.entries if e.dimension == name]
        assert d.score == full.dimensions[name].score
        assert sum((e.contribution for e in parts), Decimal(0)) == (d.score or 0)
        assert sum((i.points or 0 for i in d.indicators.values()), Decimal(0)) == (d.points or 0)
    for e in why.entries:
        without = outcome(template, [line for line in lines if line.id != e.id])
        total = None if full.total is None or without.total is None else full.total - without.total
        assert e.moved.total == total
    if full.total is not None and full.interval:
        assert 0 <= full.interval.low <= full.total <= full.interval.high <= 100
    for change in (why.better, why.worse):
        if change and full.total is not None:
            reached = full.total + change.total
            assert next(b.grade for b in template.bands if reached >= b.at_least) == change.grade


@given(st.sampled_from(TEMPLATES[:2]), entries)
def test_what_would_change_the_grade_does(template: Template, own: list[Line]) -> None:
    why = explain(template, own)
    known = {name: d.score for name, d in why.dimensions.items()}
    if why.better is None:
        return
    for name, wanted in why.better.dimensions.items():
        if wanted is not None:
            scores_ = {**known, name: wanted}
            weights = {n: template.dimensions[n] for n, s in scores_.items() if s is not None}
            total = sum(w * (scores_[n] or 0) for n, w in weights.items()) / sum(weights.values())
            assert abs(total - why.better.at_least) <= Decimal("0.02")


@given(entries)
def test_the_order_of_entries_does_not_matter(own: list[Line]) -> None:
    assert outcome(Template(), own)[:3] == outcome(Template(), own[::-1])[:3]


def measured(key: str, value: str) -> Movement:
    points = Decimal(value)
    return Movement(
        uuid4(), UUID(int=1), "d", key, "entry", None, None, None, points, AT, basis="indicator", points=points
    )


values = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["1", "2", "3"]))


@given(st.lists(values, min_size=1, max_size=6))
def test_measuring_again_ends_where_it_was_measured_last(rounds: list[dict[str, str]]) -> None:
    standing: dict[str, Movement] = {}
    lines: dict[UUID, Movement] = {}
    for values_ in rounds:
        new = [measured(key, value) for key, value in values_.items()]
        added = remeasured(standing, new)
        assert remeasured(standing, list(standing.values())) == []
        for line in added:
            lines[line.id] = line
            if line.kind == "reversal":
                assert standing.pop(line.indicator).id == line.reverses
            else:
                assert line.indicator not in standing
                standing[line.indicator] = line
        assert {key: str(line.value) for key, line in standing.items()} == values_
    balance = sum(line.points if line.kind == "entry" else -line.points for line in lines.values())
    assert balance == sum(line.points for line in standing.values())


def chain(*points: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    previous = GENESIS
    for seq, value in enumerate(points, 1):
        row = {**measured("a", value)._asdict(), "seq": seq}
        row["hash"] = previous = link(previous, row)
        rows.append(row)
    return rows


@given(st.integers(0, 3), st.sampled_from(["points", "value", "actor", "at", "indicator", "n", "audit_id", "seq"]))
def test_any_change_of_a_line_shows(which: int, field: str) -> None:
    rows = chain("1", "2.50", "3", "4")
    head = Head(4, rows[-1]["hash"])
    assert verify(UUID(int=1), head, rows) == []
    old = rows[which][field]
    rows[which][field] = {
        Decimal: Decimal(99), str: "other", datetime: AT + timedelta(1), int: 77, type(None): uuid4(),
    }[type(old)]  # fmt: skip
    assert verify(UUID(int=1), head, rows)


@given(st.integers(0, 3))
def test_a_line_gone_or_moved_shows(which: int) -> None:
    rows = chain("1", "2", "3", "4")
    head = Head(4, rows[-1]["hash"])
    assert verify(UUID(int=1), head, rows[:which] + rows[which + 1 :])
    assert verify(UUID(int=1), head, [*rows, rows[which]])
    assert verify(UUID(int=1), head, [])


def test_one_text_for_one_content() -> None:
    [row] = chain("2.50")
    other = {**row, "points": Decimal("2.5"), "at": AT.astimezone(timezone(timedelta(hours=8)))}
    assert canonical(row) == canonical(other)
    assert canonical({**row, "points": Decimal("0.00")}) == canonical({**row, "points": Decimal("-0")})
    written = {**row, "id": UUID(int=2), "value": Decimal("1E+2"), "n": 3, "actor": "主管"}
    assert canonical(written).decode() == (
        '{"actor":"主管","appraisal_id":"00000000-0000-0000-0000-000000000001","at":"2026-03-02T00:00:00.000000+00:00",'
        '"audit_id":null,"basis":"indicator","dimension":"d","event_id":null,"high":null,'
        '"id":"00000000-0000-0000-0000-000000000002","indicator":"a","indicator_version":null,"kind":"entry","low":null,'
        '"n":3,"points":"2.5","refers_to":null,"reverses":null,"revision":null,"seq":1,"value":"100","weight":"100"}'
    ), "as ledgers hold it since the first release"


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-1000, 1000, places=6))
def test_numbers_are_told_plainly(value: Decimal) -> None:
    [row] = chain("1")
    expected = format(value.normalize(), "f") if value else "0"
    assert json.loads(canonical({**row, "value": value}))["value"] == expected


@given(st.lists(st.tuples(scores, st.decimals(1, 200, places=1)), min_size=2, max_size=30), st.booleans())
def test_entries_may_be_added_up_in_any_parts(given_: list[tuple[Decimal, Decimal]], pooled: bool) -> None:
    own = [entry(("service_quality", "audit_score"), points, weight, False) for points, weight in given_]
    alone = [tally(line, pooled=pooled) for line in own]
    assert standings(alone) == standings(tallied(own, pooled=pooled)) == standings(alone[::-1])
    [[standing]] = [found.values() for found in standings(alone)[0].values()]
    points, weights = [float(p) for p, _ in given_], [float(w) if pooled else 1.0 for _, w in given_]
    mean = sum(w * p for w, p in zip(weights, points, strict=True)) / sum(weights)
    squares = sum((w * (p - mean)) ** 2 for w, p in zip(weights, points, strict=True))
    n = len(own)
    assert standing.variance == pytest.approx(squares * n / (n - 1) / sum(weights) ** 2, abs=1e-9)


people = st.lists(
    st.tuples(scores, st.none() | st.decimals(0, 30, places=2)), min_size=1, max_size=25
)  # fmt: skip


@given(people)
def test_nobody_is_ranked_before_somebody_whose_interval_overlaps(given_: list[tuple[Decimal, Decimal | None]]) -> None:
    ranked = [
        Ranked(str(i), total, None if reach is None else Interval(total - reach, total + reach))
        for i, (total, reach) in enumerate(given_)
    ]
    found = places(ranked)

    def surely_better(a: Ranked, b: Ranked) -> bool:
        return a.interval is not None and b.interval is not None and a.interval.low > b.interval.high

    for a in ranked:
        better = sum(surely_better(b, a) for b in ranked)
        worse = sum(surely_better(a, b) for b in ranked)
        assert found[a.key] == (1 + better, len(ranked) - worse)


def test_consequences_are_data() -> None:
    template = Template()
    assert consequences(template, "agent", ["B", "A"]).promotion == "senior_agent"
    assert consequences(template, "agent", ["B"]).promotion is None
    assert consequences(template, "agent", ["B", "C", "A"]).promotion is None
    assert consequences(template, "senior_agent", ["A", "A"]).promotion == "supervisor"
    assert consequences(template, "supervisor", ["A", "A"]).promotion is None
    low = consequences(template, "agent", ["D", "A"])
    assert (low.improve, low.bonus, low.commended) == (True, 0, False)
    assert consequences(template, "agent", [None]).bonus is None
    assert needed({"b": 2, "a": 2, "c": 5}, {}) == ("c", "a", "b")
    assert needed({}, {"x": Decimal(3), "y": None, "z": Decimal(2)}) == ("z",)
    assert needed({}, {}) == ()
    shares = distribution(template, {"A": 1, "D": 3})
    assert next((b.grade, b.n, b.share, b.guidance) for b in shares) == ("A", 1, 25, 15)


@pytest.mark.parametrize(
    "wrong",
    [
        {"indicators": {"service_quality": {"audit_score": 100}}},
        {"dimensions": {"service_quality": 100}, "indicators": {"service_quality": {"audit_score": 99}}},
        {"dimensions": {"service_quality": 100}, "indicators": {"service_quality": {"satisfaction": 100}}},
        {"bands": [{"grade": "A", "at_least": 50, "share": 50}, {"grade": "B", "at_least": 0}]},
        {"promotions": [{"role": "agent", "to": "x", "grades": ["Z"]}]},
        {"dimensions": {"mine": 50, "service_quality": 50}},
    ],
)
def test_templates_that_contradict_themselves_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Template.model_validate(wrong)


def test_templates_survive_being_stored() -> None:
    for template in TEMPLATES:
        assert Template.model_validate_json(template.model_dump_json()) == template


def test_who_may_rate_and_decide() -> None:
    me, lead, mentor, peer = (uuid4() for _ in range(4))

    def kind(who: UUID, hand: str = "team_rating", team: str | None = None, *, manager: bool = False) -> str:
        return rater_kind(
            who, rated=me, lead=lead, mentor=mentor, manager=manager, team="one", own_team=team, hand=hand
        )

    assert (kind(me), kind(lead), kind(peer, team="one")) == ("self", "manager", "peer")
    assert kind(peer, manager=True) == "manager"
    assert kind(mentor, "mentor_rating") == "mentor"
    for who, hand, team in ((peer, "team_rating", "two"), (peer, "team_rating", None), (lead, "mentor_rating", "one")):
        with pytest.raises(Forbidden):
            kind(who, hand, team)
    with pytest.raises(Forbidden):
        check_impartial("x", {"x", "y"})
    with pytest.raises(IllegalState):
        check_window(None, 10, AT)
    check_window(AT, 10, AT + timedelta(days=10))
    with pytest.raises(IllegalState):
        check_window(AT, 10, AT + timedelta(days=10, seconds=1))


def test_what_days_moved() -> None:
    one = indicator(levels=(Level(value=Decimal(0), points=Decimal(100)), Level(value=Decimal(100), points=Decimal(0))))
    days = [Piece("a", {"waits": 1, "wait_ms": 10_000}), Piece("b", {"waits": 3, "wait_ms": 150_000})]
    first, second = behind(one, days, AT)
    assert (first.value, first.n, first.moved) == (10, 1, 10)  # 60 points, without it 50
    assert (second.value, second.n, second.moved) == (50, 3, -30)
    assert behind(one, days[:1], AT)[0].moved is None
    late = [day._replace(changed_at=AT + timedelta(hours=n)) for n, day in enumerate(days)]
    assert [day.changed_since for day in behind(one, late, AT)] == [None, AT + timedelta(hours=1)]


def person(n: int, total: float, manager: str, reach: float | None = 3) -> Person:
    mid = Decimal(str(total))
    ends = (None, None) if reach is None else (mid - Decimal(str(reach)), mid + Decimal(str(reach)))
    return Person(str(n), mid, *ends, "B", "t", manager, 30 * n, None)


def test_a_manager_unlike_the_others_shows_and_chance_does_not() -> None:
    harsh = [person(n, 60 + n % 5, "harsh") for n in range(20)]
    alike = [person(100 + n, 80 + n % 5, f"m{n % 3}") for n in range(60)]
    found = report([*harsh, *alike], seed=7)
    assert [m.manager_id for m in found.managers if m.unlike] == ["harsh", "m0", "m1", "m2"]
    assert next(m for m in found.managers if m.manager_id == "harsh").high < -15
    calm = report(alike, seed=7)
    assert not any(m.unlike for m in calm.managers)
    assert report(alike, seed=7) == calm
    assert report(alike, seed=8) != calm
    assert {group.group for group in found.by_tenure} == {
        "under_6_months", "6_to_12_months", "1_to_3_years", "over_3_years"
    }  # fmt: skip


def test_ranks_are_sure_where_totals_are() -> None:
    sure = report([person(n, n, "m", 0.1) for n in range(30)], seed=1)
    assert sure.rank_correlation == 1
    assert all(r.best == r.worst == r.drawn_best == r.drawn_worst for r in sure.ranks)
    vague = report([person(n, 50 + n / 10, "m", 20) for n in range(30)], seed=1)
    assert vague.rank_correlation is not None
    assert vague.rank_correlation < Decimal("0.5")
    assert {(r.best, r.worst) for r in vague.ranks} == {(1, 30)}
    few = report([person(n, 50, "m") for n in range(4)], seed=1)
    assert few.by_team[0].mean is None, "single people do not show"


def test_nothing_measured_is_no_total() -> None:
    assert result(Template(), {}).total is None
