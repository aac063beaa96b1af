"""Markets that a scenario file describes: a crash, a gap, a halt, at will and the same each time."""

from v6.paper.scenarios.market import ScenarioMarket
from v6.paper.scenarios.script import Phase, Scenario, Trouble
from v6.paper.scenarios.source import ScenarioError, load_scenario, parse_scenario, shipped_scenarios

__all__ = [
    "Phase",
    "Scenario",
    "ScenarioError",
    "ScenarioMarket",
    "Trouble",
    "load_scenario",
    "parse_scenario",
    "shipped_scenarios",
]
