from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.replay.test_outcomes import twenty_days as twenty_days  # the fixture
from v6.errors import V6Error
from v6.lang.ast import fields_of
from v6.lang.desk import Rule
from v6.model.decision import Action, ActionKind
from v6.replay import sweep as sweeping
from v6.replay.dryrun import Ask, dry_run
from v6.replay.grid import Axis, at_point, points_of, read_axis, swept
from v6.replay.sweep import Point, sweep, walk_forward
from v6.replay.sweep_page import sweep_page, sweep_tables
from v6.report import render
from v6.rules import load_desk


def shipped() -> tuple[Rule, ...]:
    return load_desk(ROOT).rules


def tunable() -> list[tuple[str, str, float, float]]:
    """Return rule, parameter and bounds of all that can be swept in the shipped rules."""
    return [
        (r.id, p.name, p.low, p.high)
        for r in shipped()
        if r.scope == "position" and r.then.kind != "alert"
        for p in r.params
    ]


@st.composite
def axes(draw: st.DrawFn) -> list[Axis]:
    """Return one or two axes of two or three values within the bounds of their parameters."""
    chosen = draw(st.lists(st.sampled_from(tunable()), min_size=1, max_size=2, unique_by=lambda c: c[:2]))
    found = []
    for rule, param, low, high in chosen:
        values = draw(st.lists(st.floats(low, high), min_size=2, max_size=3, unique=True))
        found.append(Axis(rule, param, tuple(sorted(values))))
    return found


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(axes())
def test_each_point_is_what_a_plain_replay_with_its_values_gives(twenty_days: Path, chosen: list[Axis]) -> None:
    rules = shipped()
    found = sweep(Ask(twenty_days), rules, chosen)
    for point in found.points:
        plain, _ = dry_run(Ask(twenty_days), at_point(rules, chosen, point.values))
        assert point.pnl == pytest.approx(plain.pnl)
        assert point.by_rule == sum(o.ending == "rule" for o in plain.outcomes)
        assert point.cut == sum(o.cut for o in plain.outcomes)
        assert plain.curve.replayed is not None
        assert sum(point.changes) == pytest.approx(plain.curve.replayed[-1] - (plain.curve.base or 0))


def test_a_track_that_reads_a_swept_parameter_is_folded_for_each_point(twenty_days: Path) -> None:
    chosen = [
        read_axis("trailing_stop.trail=0.05,0.4,0.95", shipped()),
        read_axis("trailing_stop.arm=0.05,0.4", shipped()),
    ]
    found = sweep(Ask(twenty_days), shipped(), chosen)
    assert len({point.pnl for point in found.points}) > 1, "a sweep that changes nothing shows nothing"
    for point in found.points:
        assert point.pnl == pytest.approx(dry_run(Ask(twenty_days), at_point(shipped(), chosen, point.values))[0].pnl)


def test_a_reduce_is_swept_like_a_close(twenty_days: Path) -> None:
    rules = tuple(
        replace(r, then=Action(ActionKind.REDUCE, fraction=0.5)) if r.id == "take_profit" else r for r in shipped()
    )
    chosen = [read_axis("take_profit.target=0.1,0.2", rules)]
    for point in sweep(Ask(twenty_days), rules, chosen).points:
        assert point.pnl == pytest.approx(dry_run(Ask(twenty_days), at_point(rules, chosen, point.values))[0].pnl)


def test_slices_of_points_give_the_same_as_all_at_once(twenty_days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [read_axis("take_profit.target=0.1:0.5:0.1", shipped())]
    whole = sweep(Ask(twenty_days), shipped(), chosen)
    monkeypatch.setattr(sweeping, "MOST_ROWS", 1)
    assert sweep(Ask(twenty_days), shipped(), chosen) == whole


def test_the_last_of_a_range_is_in_it() -> None:
    axis = read_axis("take_profit.target=0.3:0.9:0.05", shipped())
    assert len(axis.values) == 13
    assert (axis.values[0], axis.values[1], axis.values[-1]) == (0.3, 0.35, 0.9)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("take_profit.target", "write RULE.PARAM="),
        ("target=0.3", "write RULE.PARAM="),
        ("take_profits.target=0.3", "no rule `take_profits` is active"),
        ("take_profit.goal=0.3", "no parameter `goal`; it has target"),
        ("take_profit.target=0.3:x:0.1", "neither LOW:HIGH:STEP nor"),
        ("take_profit.target=0.3:0.4", "neither LOW:HIGH:STEP nor"),
        ("take_profit.target=0.3:0.9:0", "must be positive"),
        ("take_profit.target=0.9:0.3:0.1", "LOW at most HIGH"),
        ("take_profit.target=0.3,99", "outside"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(V6Error, match=complaint):
        read_axis(text, shipped())


def test_too_many_points_and_an_axis_twice_are_refused() -> None:
    axis = Axis("take_profit", "target", tuple(i / 1000 for i in range(200)))
    with pytest.raises(V6Error, match="same parameter twice"):
        points_of([axis, axis])
    with pytest.raises(V6Error, match="40000 points"):
        points_of([axis, replace(axis, param="other")])


def test_a_parameter_is_lent_a_column_that_no_rule_reads() -> None:
    rules = shipped()
    variants, (carrier,) = swept(rules, [Axis("take_profit", "target", (0.3, 0.5))])
    readers = [r.id for r in variants if carrier in {f.name for expr in r.expressions for f in fields_of(expr)}]
    assert readers == ["take_profit"]
    assert carrier not in {"quantity", "pnl", "spread"}


def point(*changes: float) -> Point:
    return Point((changes[0],), sum(changes), 0.0, None, 0, 0, 0, changes)


def test_what_was_best_on_one_stretch_is_judged_on_the_next() -> None:
    days = tuple(date(2014, 1, 1) + timedelta(days=i) for i in range(6))
    early, steady = point(5.0, 5.0, -9.0, 0.0, 0.0, 0.0), point(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    first, second = walk_forward((early, steady), days, 2)
    assert (first.values, first.made_learning, first.made_judged, first.rank) == ((5.0,), 10.0, -9.0, 2)
    assert first.best_judged == 2.0
    assert (second.values, second.made_learning, second.made_judged, second.rank) == ((1.0,), 2.0, 2.0, 1)
    assert (first.judged, second.learned) == ((days[2], days[3]), (days[2], days[3]))


def test_a_walk_needs_days_to_walk_on() -> None:
    with pytest.raises(V6Error, match="at least 6 days"):
        walk_forward((point(1.0, 2.0),), (date(2014, 1, 1), date(2014, 1, 2)), 2)


def test_the_number_of_trials_is_held_against_the_best(twenty_days: Path) -> None:
    found = sweep(Ask(twenty_days), shipped(), [read_axis("take_profit.target=0.1:0.5:0.1", shipped())], 2)
    assert found.deflated is not None
    assert found.deflated.trials == 5
    assert any("best of 5 trials" in warning for warning in found.warnings)
    assert len(found.folds) == 2


def test_two_axes_make_a_heatmap_on_the_page_and_in_the_terminal(twenty_days: Path) -> None:
    chosen = [read_axis("take_profit.target=0.1,0.5", shipped()), read_axis("trailing_stop.trail=0.2,0.4", shipped())]
    found = sweep(Ask(twenty_days), shipped(), chosen, 1)
    page = render(sweep_page(found, "v6 replay", "rules"))
    assert page.count('class="heatmap"') == 2
    assert "(best)" in page
    grid, walk = sweep_tables(found)
    assert (grid.row_count, len(grid.columns), walk.row_count) == (2, 3, 1)
