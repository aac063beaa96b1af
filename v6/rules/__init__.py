"""The rule set: loaded, compiled once, evaluated on each snapshot."""

from v6.rules.load import check_desk, load_desk, load_texts, read_texts
from v6.rules.ruleset import RuleSet
from v6.rules.state import RuleState

__all__ = ["RuleSet", "RuleState", "check_desk", "load_desk", "load_texts", "read_texts"]
