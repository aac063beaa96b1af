"""Bugs that a lowering could have; each is planted alone, and the campaign must see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SQL, PYTHON, KLEENE, RULESET = (
    "v6/backends/duckdb.py",
    "v6/backends/python.py",
    "v6/backends/kleene.py",
    "v6/rules/ruleset.py",
)


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    file: str
    before: str
    after: str


MUTANTS: Final = (
    Mutant("decimal literals", SQL, "text if 'e' in text else text + 'e0'", "text"),
    Mutant("x/0 is infinity", SQL, 'return f"(list_filter([{text}], lambda x: isfinite(x))[1])"', "return text"),
    Mutant("division counted as bounded", SQL, "expr.op is not BinaryOp.DIV and interval", "interval"),
    Mutant("least skips NULL", SQL, 'f"CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN {name}(a, b) END"',
           'f"{name}(a, b)"'),
    Mutant("abs forgotten", SQL, 'return f"abs({arguments[0]})"', "return arguments[0]"),
    Mutant("min is greatest", SQL, 'return _extreme("least", arguments)', 'return _extreme("greatest", arguments)'),
    Mutant("max is least", SQL, 'return _extreme("greatest", arguments)', 'return _extreme("least", arguments)'),
    Mutant("clamp's bounds in the other order", SQL, '_extreme("least", [_extreme("greatest", [x, low]), high])',
           '_extreme("greatest", [_extreme("least", [x, high]), low])'),
    Mutant("has is always true", SQL, '({arguments[0]} IS NOT NULL)', "(TRUE)"),
    Mutant("a chain holds if one link does", SQL, "' AND '.join(links)", "' OR '.join(links)"),
    Mutant("and is or", SQL, "' AND '.join(lower(operand", "' OR '.join(lower(operand"),
    Mutant("or is and", SQL, "' OR '.join(lower(operand", "' AND '.join(lower(operand"),
    Mutant("branches swapped", SQL, "[{lower(otherwise, tracks)}, {lower(then, tracks)}]",
           "[{lower(then, tracks)}, {lower(otherwise, tracks)}]"),
    Mutant("an unknown condition takes else", SQL, "CAST({lower(condition, tracks)} AS INTEGER)",
           "CAST(coalesce({lower(condition, tracks)}, FALSE) AS INTEGER)"),
    Mutant("less is at most", SQL, 'CompareOp.LT: "<"', 'CompareOp.LT: "<="'),
    Mutant("more is at least", SQL, 'CompareOp.GT: ">"', 'CompareOp.GT: ">="'),
    Mutant("equal to missing is false", SQL, 'CompareOp.EQ: "="', 'CompareOp.EQ: "IS NOT DISTINCT FROM"'),
    Mutant("unequal to missing is true", SQL, 'CompareOp.NE: "<>"', 'CompareOp.NE: "IS DISTINCT FROM"'),
    Mutant("a quarter of an hour is a gap", SQL, "OVER life > {GAP_S", "OVER life >= {GAP_S"),
    Mutant("gaps a thousand times shorter", SQL, "> {GAP_S * 1_000_000}, TRUE", "> {GAP_S * 1_000}, TRUE"),
    Mutant("`for` runs on across a gap", SQL, "CASE WHEN restart OR NOT {verdict}", "CASE WHEN NOT {verdict}"),
    Mutant("an unknown row resets `for`", SQL, "CASE WHEN restart OR NOT {verdict}",
           "CASE WHEN restart OR ({verdict}) IS NOT TRUE"),
    Mutant("`for` must be exceeded", SQL, "AND t - since{bit} >= ", "AND t - since{bit} > "),
    Mutant("missing_for must be exceeded", SQL, "AND t - missing{bit} >= ", "AND t - missing{bit} > "),
    Mutant("missing_for runs on across a gap", SQL, "IS NULL AND (restart OR lag(", "IS NULL AND (lag("),
    Mutant("first takes a missing value", SQL, " IGNORE NULLS", ""),
    Mutant("every fold is a maximum", SQL, 'f"{track.fold}({inner}) OVER life', 'f"max({inner}) OVER life'),
    Mutant("the barrier ignores what is unknown", SQL, "AND NOT (unknown{i} AND NOT fired{i})", ""),
    Mutant("masks are shifted", SQL, "THEN {1 << bit} ELSE", "THEN {2 << bit} ELSE"),
    Mutant("the fallback is ignored", SQL, "for condition in rule.conditions)",
           "for condition in rule.conditions[:1])"),
    Mutant("portfolio rules judge positions", SQL, """here = "key = ''" if""", 'here = "TRUE" if'),
    Mutant("nothing is ever unknown", SQL, "verdict{bit} IS NULL) AS unknown", "FALSE) AS unknown"),
    Mutant("infinities are kept", KLEENE, "return number if isfinite(number) else None", "return number"),
    Mutant("unknown beats false", KLEENE, "if False in operands:\n        return False",
           "if None in operands:\n        return None"),
    Mutant("unknown beats true", KLEENE, "if True in operands:\n        return True",
           "if None in operands:\n        return None"),
    Mutant("not unknown is true", KLEENE, "return None if a is None else not a", "return not a"),
    Mutant("min skips what is missing", KLEENE, "return min(known) if len(known) == len(operands) else None",
           "return min(known) if known else None"),
    Mutant("a live `for` is not reset", PYTHON, 'self.lines.append(f"else: {since} = None")', "pass"),
    Mutant("a live timer survives a gap", PYTHON, 'f"if restart: {slot} = None"', '"pass"'),
    Mutant("a live minimum rises", PYTHON, "x < {slot})", "x > {slot})"),
    Mutant("waiting is not cleared on a whole row", PYTHON, 'self._tail(frozenset(cleared), "0")',
           'self._tail(frozenset(), "0")'),
    Mutant("a whole row after a gap keeps its timers", PYTHON, '" and ".join(["not restart", ',
           '" and ".join(["True", '),
    Mutant("nothing may act below a waiting rule", RULESET, "fired &= above | self.reducing", "fired &= above"),
)  # fmt: skip
