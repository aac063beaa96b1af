"""All rule tests of a desk: found, read, run; the report also as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from v6.errors import Diagnostic, Severity
from v6.lang import source
from v6.lang.build import build_rule
from v6.lang.desk import Desk, Rule
from v6.lang.schema import validate
from v6.rules import RuleSet
from v6.rules.tree import TEST_SUFFIX, read_tree
from v6.ruletools.cases import Reading, read_cases
from v6.ruletools.coverage import Seen, Tally, percent
from v6.ruletools.run import Outcome, run_case

MAX_ROWS: Final = 20_000
"""Rows of all rule tests that a reload runs, some seconds at most; the shipped desk has a few hundred."""

MAX_TOLD: Final = 100


@dataclass(frozen=True, slots=True)
class Report:
    """Outcomes of all cases, what is wrong with the files, and what the rules have seen."""

    outcomes: tuple[Outcome, ...]
    diagnostics: tuple[Diagnostic, ...]
    coverage: tuple[Seen, ...]

    @property
    def passed(self) -> int:
        return sum(outcome.passed for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """Return the cases that failed; a file that cannot be read counts as one."""
        broken = {d.span.file for d in self.diagnostics if d.severity is Severity.ERROR}
        return len(self.outcomes) - self.passed + len(broken)

    @property
    def percent(self) -> float:
        """Return the share of outcomes of rules and comparisons that were seen."""
        return percent(self.coverage)

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "coverage_percent": round(self.percent, 2),
            "tests": [
                {
                    "file": outcome.file,
                    "line": outcome.span.line,
                    "title": outcome.title,
                    "passed": outcome.passed,
                    "failures": [str(failure) for failure in outcome.failures],
                }
                for outcome in self.outcomes
            ],
            "diagnostics": [str(d) for d in self.diagnostics],
            "coverage": [asdict(seen) for seen in self.coverage],
        }


def run_tests(root: Path, desk: Desk, prefixes: Sequence[str] = ()) -> Report:
    """Run the tests in the desk's folder whose names start with one of the prefixes, all without any.

    Coverage is of all rules of the desk and those tested beside them; with prefixes only of the rules tested.
    """
    wanted = tuple(prefixes)
    tree = read_tree(root)
    diagnostics = [d for d in tree.diagnostics if _is_test(d.span.file, wanted)]
    readings = _readings(tree.texts, desk, wanted)
    diagnostics += [d for reading in readings for d in reading.diagnostics]
    cases = [case for reading in readings for case in reading.cases]
    rules = {rule.id: rule for rule in (() if wanted else desk.rules)}
    rules |= {rule.id: rule for case in cases for rule in case.rules}
    tally = Tally(tuple(rules.values()))
    outcomes = tuple(outcome for reading in readings for outcome in _run(reading, desk, tally))
    return Report(outcomes, tuple(diagnostics), tally.seen())


def check_tests(texts: Mapping[str, str], desk: Desk) -> list[Diagnostic]:
    """Return an error for each expectation not met, `MAX_TOLD` at most, and what is wrong with the test files.

    Without coverage, which takes most of the time of `run_tests`; with more than `MAX_ROWS` rows nothing is run.
    """
    readings = _readings(texts, desk)
    found = [d for reading in readings for d in reading.diagnostics]
    rows = 0
    for case in (case for reading in readings for case in reading.cases):
        rows += len(case.rows)
        if rows > MAX_ROWS:
            message = f"the rule tests of a desk have at most {MAX_ROWS} rows"
            return [*found, Diagnostic(case.span, "too-large", message, "a reload has to wait for them")]
    outcomes = (outcome for reading in readings for outcome in _run(reading, desk))
    failures = ((failure, outcome.title) for outcome in outcomes for failure in outcome.failures)
    for failure, title in islice(failures, MAX_TOLD):
        found.append(Diagnostic(failure.span, "expectation", failure.message, f"in the test: {title}"))
    return sorted(found, key=lambda d: (d.span, d.message))


def _run(reading: Reading, desk: Desk, tally: Tally | None = None) -> Iterator[Outcome]:
    if not reading.cases:
        return
    # The cases of one file are about the same rules.
    ruleset = RuleSet.compile(replace(desk, rules=reading.cases[0].rules))
    for case in reading.cases:
        yield run_case(case, ruleset, tally)


def _is_test(name: str, wanted: tuple[str, ...]) -> bool:
    return name.startswith(wanted or "rules/") and name.startswith("rules/") and name.endswith(TEST_SUFFIX)


def _readings(texts: Mapping[str, str], desk: Desk, wanted: tuple[str, ...] = ()) -> list[Reading]:
    active = {rule.span.file for rule in desk.rules}
    readings = []
    for name in sorted(name for name in texts if _is_test(name, wanted)):
        rule_file = name.removesuffix(TEST_SUFFIX) + ".yaml"
        beside = () if rule_file in active else _beside(rule_file, texts)
        readings.append(read_cases(name, texts[name], desk.rules, beside))
    return readings


def _beside(name: str, texts: Mapping[str, str]) -> tuple[Rule, ...]:
    """Return the rule in the file that a test file is named after, if it is sound; `v6 check` says what is not."""
    node = source.read(name, texts.get(name, ""))
    if not isinstance(node, source.Mapping) or validate("rule", node):
        return ()
    rule, _ = build_rule(node)
    return () if rule is None else (rule,)


def junit(report: Report) -> str:
    """Return the report as JUnit XML: a suite for each file, a case for each test."""
    root = ElementTree.Element("testsuites", tests=str(report.passed + report.failed), failures=str(report.failed))
    files = sorted({o.file for o in report.outcomes} | {d.span.file for d in report.diagnostics})
    for file in files:
        outcomes = [outcome for outcome in report.outcomes if outcome.file == file]
        errors = [d for d in report.diagnostics if d.span.file == file and d.severity is Severity.ERROR]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=file,
            tests=str(len(outcomes) + bool(errors)),
            failures=str(sum(not outcome.passed for outcome in outcomes)),
            errors=str(int(bool(errors))),
        )
        for outcome in outcomes:
            case = ElementTree.SubElement(
                suite, "testcase", classname=file, name=outcome.title, line=str(outcome.span.line)
            )
            _add(case, "failure", [str(failure) for failure in outcome.failures])
        if errors:
            case = ElementTree.SubElement(suite, "testcase", classname=file, name="the file can be read")
            _add(case, "error", [str(d) for d in errors])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add(case: ElementTree.Element, kind: str, lines: Sequence[str]) -> None:
    if lines:
        ElementTree.SubElement(case, kind, message=lines[0]).text = "\n".join(lines)
