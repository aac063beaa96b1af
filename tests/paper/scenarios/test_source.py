"""Scenario files: what they say, and what is said of their mistakes."""

from datetime import date, time
from pathlib import Path

import pytest

from v6.paper.ports import Halt
from v6.paper.scenarios import Phase, ScenarioError, Trouble, load_scenario, parse_scenario, shipped_scenarios

GOOD = """\
version: 1
doc: Down and halted.
start: 2017-03-06
index: 2380
vix: 12
phases:
  - {days: 3, index: 0.01, vix: 13, volatility: 0.1}
  - {days: 1, index: -0.05, gap: -0.02, vix: 30, volatility: 0.4, spread: 3}
halts:
  - {day: 4, from: "10:00", until: "10:30", what: trading}
"""


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "my.yaml")
    return caught.value.problems


def test_a_file_becomes_values() -> None:
    scenario = parse_scenario(GOOD, "folder/mine.yaml")
    assert (scenario.name, scenario.doc, scenario.start) == ("mine", "Down and halted.", date(2017, 3, 6))
    assert (scenario.index, scenario.vix, scenario.days) == (2380.0, 12.0, 4)
    assert scenario.phases[1] == Phase(1, -0.05, 30, 0.4, gap=-0.02, spread=3)
    assert scenario.troubles == (Trouble(4, time(10), time(10, 30), Halt.TRADING),)
    assert [scenario.phase_of(day).spread for day in (0, 2, 3, 4)] == [1.0, 1.0, 3, 3]


def test_every_shipped_scenario_loads_and_says_what_happens() -> None:
    assert set(shipped_scenarios()) == {"crash", "gap", "vol_crush", "halt", "grind"}
    for name in shipped_scenarios():
        scenario = load_scenario(name)
        assert scenario.name == name
        assert scenario.doc


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("vix: 12\n", "vix: 12\nvixx: 3\n", "my.yaml:6:1: unknown key `vixx`"),
        ("index: 2380\n", "index: cheap\n", "my.yaml:4:1: 'cheap' is not of type 'number'"),
        ("volatility: 0.4, ", "", "my.yaml:8:5: 'volatility' is a required property"),
        ("days: 3", "days: 0", "my.yaml:7:6: 0 is less than the minimum of 1"),
        ("days: 3", "days: 3, days: 3", "my.yaml:7:15: `days` appears twice"),
        ("2017-03-06", "monday", "my.yaml:3:1: 'monday' is not a date like 2017-03-06"),
        ("2017-03-06", "1990-06-01", "my.yaml:3:1: the calendar does not reach 260 sessions back"),
        ("2017-03-06", "2017-02-31", "my.yaml:1:1: day is out of range"),
        ("day: 4", "day: 5", "my.yaml:10:6: day 5 is after the last session, which is day 4"),
        ('until: "10:30"', 'until: "09:30"', "my.yaml:10:29: the halt ends at 09:30, not after it begins at 10:00"),
        ('from: "10:00"', "from: 10:00", "my.yaml:10:14: 600 is not of type 'string'"),
        ("what: trading", "what: everything", "my.yaml:10:45: 'everything' is not one of"),
        ("phases:", "phases: [", "my.yaml:7:3: "),
    ],
)
def test_a_mistake_is_told_with_its_place(was: str, now: str, said: str) -> None:
    assert was in GOOD
    problems = mistakes(GOOD.replace(was, now, 1))
    assert any(problem.startswith(said) for problem in problems), problems


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    problems = mistakes(GOOD.replace("days: 3", "days: 0").replace("what: trading", "what: no"))
    assert [problem.split(":")[1] for problem in problems] == ["7", "10"]


def test_an_empty_file_is_a_mistake() -> None:
    assert mistakes("")[0].startswith("my.yaml:1:1: ")


def test_an_unknown_name_lists_those_that_exist() -> None:
    with pytest.raises(ScenarioError, match=r"'crush'; did you mean \w+\? there are crash, gap, grind, halt"):
        load_scenario("crush")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none.yaml:1:1: cannot be read"):
        load_scenario(str(tmp_path / "none.yaml"))
