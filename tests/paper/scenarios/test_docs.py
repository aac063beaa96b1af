"""The document of scenarios: its example loads, its table is that of the files."""

import re
from pathlib import Path

from v6.paper.ports import Halt
from v6.paper.scenarios import load_scenario, parse_scenario, shipped_scenarios

DOC = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text(encoding="utf-8")


def test_its_example_is_a_scenario() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
    assert parse_scenario(example).days == 11


def test_its_table_has_every_shipped_scenario_and_its_length() -> None:
    told = {name: int(days) for name, days in re.findall(r"^\| `(\w+)` \| (\d+) \|", DOC, re.MULTILINE)}
    assert told == {name: load_scenario(name).days for name in shipped_scenarios()}


def test_it_explains_every_halt() -> None:
    assert all(f"\n| `{halt.value}` |" in DOC for halt in Halt)
