"""What one decision costs beside a hand-written if-chain and other rule engines, with equal answers asserted.

`python -m benchmarks.rules [--rows N] [--json]`. A decision is what the daemon does with the row of a position: the
first match of the shipped position rules plus the fired and unknown masks, folds and timers included; the others give
the first match only, on rows without holes and with the folds' values handed to them. The one portfolio rule is judged
on a row of its own, once a cycle, and is left out for all. Answers are compared on many rows, and times are taken on a
book of a hundred, which the processor's cache holds as it does a book just read. Contestants take turns, and the best
turn of each counts.
zen-engine, rule-engine and common-expression-language are in the extra `bench`.
"""

from __future__ import annotations

import argparse
import ast
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from simpleeval import SimpleEval

from benchmarks.dialects import CEL, PYTHON, RULE_ENGINE, ZEN, write
from v6.backends.python import Memory, track_slot
from v6.backends.reference import evaluate
from v6.lang.ast import fields_of
from v6.lang.desk import Desk, Rule
from v6.model.catalogue import FIELDS, Kind, Scope, Value
from v6.model.snapshot import Row
from v6.rules import RuleSet, load_desk

Names = dict[str, Any]
Question = Callable[[int], int]

NOW = 1_400_000_000_000_000
BOOK = 100
TURNS = 15
TURN_S = 0.1
RANGES: dict[str, tuple[float, float]] = {
    "dte": (0, 60), "days_held": (0, 40), "credit": (1, 15), "pnl_ratio": (-2.2, 1), "broker_pnl_ratio": (-2.2, 1),
    "delta": (-0.35, 0.35), "gamma_1pct": (-0.2, 0.05), "iv": (0.08, 0.4), "short_delta": (0.05, 0.5),
    "short_distance": (-0.02, 0.1), "underlying_change_1h": (-0.035, 0.02), "underlying_change_1d": (-0.05, 0.03),
    "vix": (9, 40), "minutes_since_open": (0, 390), "minutes_to_close": (0, 390), "drawdown": (0, 0.15),
    "margin_ratio": (0, 0.6), "max_loss_ratio": (0, 0.25), "portfolio_delta_ratio": (-1.2, 1.2),
}  # fmt: skip


CALM: dict[str, tuple[float, float]] = {
    "dte": (22, 60), "pnl_ratio": (-0.5, 0.28), "delta": (-0.2, 0.2), "gamma_1pct": (-0.1, 0), "iv": (0.1, 0.2),
    "short_delta": (0.1, 0.3), "underlying_change_1h": (-0.01, 0.01), "vix": (10, 20), "drawdown": (0, 0.05),
    "margin_ratio": (0, 0.3), "max_loss_ratio": (0, 0.15), "portfolio_delta_ratio": (-0.5, 0.5),
}  # fmt: skip


def random_names(random: Random, rules: Sequence[Rule]) -> Names:
    """Return every field and track of one row, nothing missing.

    Nineteen of twenty rows are calm, as a desk's are (in a simulated year one row in a thousand matches); the rest
    reach every rule.
    """
    wild = random.random() < 0.05
    names: Names = {}
    for field in FIELDS:
        if field.kind is Kind.NUMBER:
            low, high = RANGES.get(field.name, (1.0, 10.0))
            calm = CALM.get(field.name, (low, high))
            names[field.name] = random.uniform(*((low, high) if wild and random.random() < 0.5 else calm))
        else:
            names[field.name] = random.choice(("iron_condor", "bull_put_spread", *(("single",) if wild else ())))
    for rule in rules:
        for track in rule.tracks:
            base = names[fields_of(track.expr)[0].name]
            names[track.name] = base * random.uniform(0.9, 1.8 if wild else 1.1)
    return names


def chain(r: Names) -> int:
    """Return the first match as somebody would write it by hand over a dict; the shipped thresholds."""
    if r["underlying_change_1h"] <= -0.03 or r["iv"] >= r["entry_iv"] * 2.0:
        return 0
    if r["structure"] == "single" and (r["pnl_ratio"] >= 0.8 or r["pnl_ratio"] <= -0.5 or r["dte"] <= 21):
        return 1
    if r["peak"] >= 0.3 and r["pnl_ratio"] <= r["peak"] * (1 - 0.4):
        return 2
    if r["vix"] > 35 or r["vix"] > r["entry_vix"] + 7:
        return 3
    if r["structure"] != "single" and r["pnl_ratio"] >= 0.5:
        return 4
    if r["pnl_ratio"] <= -2 or (r["pnl_ratio"] <= -0.5 and r["dte"] < 7):
        return 5
    if r["structure"] != "single" and (
        abs(r["delta"]) > (0.3 if r["structure"] == "iron_condor" else 0.4)
        or (r["credit"] > 0 and r["short_delta"] >= 0.4)
    ):
        return 6
    if r["dte"] < 14 and r["gamma_1pct"] <= -0.15:
        return 7
    if r["dte"] <= 2:
        return 8
    if r["credit"] > 0 and r["iv"] <= r["entry_iv"] * (1 - 0.3) and r["pnl_ratio"] > 0.2:
        return 9
    if (
        r["credit"] > 0
        and r["dte"] <= 21
        and r["pnl_ratio"] > 0
        and r["minutes_since_open"] >= 30
        and r["minutes_to_close"] >= 30
    ):
        return 10
    return -1


def ours(ruleset: RuleSet, rows: Sequence[Row], names: Sequence[Names]) -> Question:
    """Return our decision on row i, the folds' state as if it had been kept."""
    step = ruleset.position.step
    states = [_state(ruleset, name) for name in names]
    values = [row.values for row in rows]

    def decide(i: int) -> int:
        return step(values[i], states[i], NOW, False)[0]

    return decide


def _state(ruleset: RuleSet, names: Names) -> tuple[Memory, ...]:
    """Return the state of a position some time after its start: folds, and the timers of what has held for long."""
    by_slot: dict[str, Memory] = {}
    for rule in ruleset.rules:
        for track in rule.tracks:
            by_slot[track_slot(rule, track)] = names[track.name]
        if evaluate(rule.when, names):
            by_slot[f"{rule.id}/since"] = NOW - 10**12
    return tuple(by_slot.get(slot) for slot in ruleset.position.slots)


def first_of(tests: Sequence[Callable[[Names], Any]], names: Sequence[Names]) -> Question:
    def decide(i: int) -> int:
        row = names[i]
        for number, test in enumerate(tests):
            if test(row):
                return number
        return -1

    return decide


def simpleeval_question(rules: Sequence[Rule], names: Sequence[Names]) -> Question:
    evaluator = SimpleEval(functions={"abs": abs})
    parsed = [(text, ast.parse(text, mode="eval").body) for text in (write(r.when, PYTHON) for r in rules)]

    def ask(text: str, tree: ast.expr) -> Callable[[Names], Any]:
        def test(row: Names) -> Any:
            evaluator.names = row
            return evaluator.eval(text, previously_parsed=tree)

        return test

    return first_of([ask(text, tree) for text, tree in parsed], names)


def others(rules: Sequence[Rule], names: Sequence[Names]) -> dict[str, Question]:
    """Return the engines that are installed; a missing one is left out and said so in the result."""
    found: dict[str, Question] = {}
    try:
        import zen

        tests = [zen.compile_expression(write(r.when, ZEN)).evaluate for r in rules]
        found["zen"] = first_of(tests, names)
    except ImportError:
        pass
    try:
        import rule_engine

        found["rule_engine"] = first_of([rule_engine.Rule(write(r.when, RULE_ENGINE)).matches for r in rules], names)
    except ImportError:
        pass
    try:
        import cel

        found["cel"] = first_of([cel.compile(write(r.when, CEL)).execute for r in rules], names)
    except ImportError:
        pass
    return found


def costs_ns(questions: Mapping[str, Question], rows: int) -> dict[str, float]:
    """Return nanoseconds a row, the best of several turns each; a slow engine goes through the rows less often."""
    laps: dict[str, int] = {}
    for name, question in questions.items():
        begun = time.perf_counter()
        for i in range(rows):
            question(i)
        laps[name] = max(1, int(TURN_S / (time.perf_counter() - begun)))
    best = dict.fromkeys(questions, float("inf"))
    for _ in range(TURNS):
        for name, question in questions.items():
            begun = time.perf_counter()
            for _ in range(laps[name]):
                for i in range(rows):
                    question(i)
            best[name] = min(best[name], (time.perf_counter() - begun) / laps[name] / rows)
    return {name: seconds * 1e9 for name, seconds in best.items()}


def holed(row: Row, random: Random) -> Row:
    """Return the row with a fifth of its nullable fields missing."""
    values: list[Value] = [
        None if field.nullable and random.random() < 0.2 else value
        for field, value in zip(FIELDS, row.values, strict=True)
    ]
    return Row(row.key, tuple(values))


def compile_ms(desk: Desk) -> float:
    """Return milliseconds to compile the bundle, the best of several."""
    best = float("inf")
    for _ in range(TURNS):
        begun = time.perf_counter()
        RuleSet.compile(desk)
        best = min(best, time.perf_counter() - begun)
    return best * 1000


def measure(rows: int) -> dict[str, float | None]:
    desk = load_desk(Path.cwd())
    rules = tuple(rule for rule in desk.rules if rule.scope is Scope.POSITION)
    random = Random(12)
    names = [random_names(random, rules) for _ in range(rows)]
    known = {field.name for field in FIELDS}
    full = [Row.of("p", {k: v for k, v in n.items() if k in known}) for n in names]
    ruleset = RuleSet.compile(replace(desk, rules=rules))
    questions: dict[str, Question] = {
        "nothing": lambda i: i,
        "chain": lambda i: chain(names[i]),  # one call deep like the other contestants
        "ours": ours(ruleset, full, names),
        "simpleeval": simpleeval_question(rules, names),
        **others(rules, names),
    }
    contestants = [name for name in questions if name != "nothing"]
    for i in range(min(rows, 500)):
        answers = {name: questions[name](i) for name in contestants}
        assert len(set(answers.values())) == 1, (answers, names[i])
    matches = [questions["chain"](i) for i in range(rows)]
    unreached = {-1, *range(len(rules))} - set(matches)
    assert not unreached, f"no row reaches rules {unreached}"
    questions["holes"] = ours(ruleset, [holed(row, random) for row in full], names)
    raw = costs_ns(questions, min(rows, BOOK))
    costs = {name: cost - raw["nothing"] for name, cost in raw.items()}

    def times(name: str) -> float | None:
        return round(costs[name] / costs["ours"], 1) if name in costs else None

    return {
        "ns_per_decision": round(costs["ours"]),
        "share_matched": round(sum(match >= 0 for match in matches) / rows, 3),
        "ns_if_chain": round(costs["chain"]),
        "ratio_to_if_chain": round(costs["ours"] / costs["chain"], 2),
        "times_simpleeval": times("simpleeval"),
        "times_zen": times("zen"),
        "times_rule_engine": times("rule_engine"),
        "times_cel": times("cel"),
        "slow_path_ratio": round(costs["holes"] / costs["ours"], 2),
        "compile_ms": round(compile_ms(desk), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rows)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:18} {'engine not installed' if value is None else value}")


if __name__ == "__main__":
    main()
