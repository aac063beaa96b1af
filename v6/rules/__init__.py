"""The rule set: loaded, compiled once, evaluated on each snapshot."""

from v6.rules.load import check_desk, load_desk, load_texts, read_texts
from v6.rules.recall import names_on
from v6.rules.ruleset import Notice, RuleSet
from v6.rules.state import RuleState

__all__ = ["Notice", "RuleSet", "RuleState", "check_desk", "load_desk", "load_texts", "names_on", "read_texts"]
