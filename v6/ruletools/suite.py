"""All rule tests of a desk: found, read, run; the report also as JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from v6.errors import Diagnostic, Severity
from v6.lang import source
from v6.lang.build import build_rule
from v6.lang.desk import Desk, Rule
from v6.lang.schema import validate
from v6.ruletools.cases import Case, read_cases
from v6.ruletools.coverage import Seen, Tally, percent
from v6.ruletools.files import read_text
from v6.ruletools.run import Outcome, run_case

SUFFIX: Final = ".test.yaml"


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
    cases: list[Case] = []
    diagnostics: list[Diagnostic] = []
    wanted = tuple(prefixes)
    for path in sorted(root.glob(f"rules/**/*{SUFFIX}")):
        name = path.relative_to(root).as_posix()
        if wanted and not name.startswith(wanted):
            continue
        text = read_text(path, name)
        if isinstance(text, Diagnostic):
            diagnostics.append(text)
            continue
        reading = read_cases(name, text, desk.rules, _beside(path, root))
        cases += reading.cases
        diagnostics += reading.diagnostics
    rules = {rule.id: rule for rule in (() if wanted else desk.rules)}
    rules |= {rule.id: rule for case in cases for rule in case.rules}
    tally = Tally(tuple(rules.values()))
    outcomes = tuple(run_case(case, desk, tally) for case in cases)
    return Report(outcomes, tuple(diagnostics), tally.seen())


def _beside(path: Path, root: Path) -> tuple[Rule, ...]:
    """Return the rule in the file that the test file is named after, if it is sound; `v6 check` says what is not."""
    rule_file = path.with_name(path.name.removesuffix(SUFFIX) + ".yaml")
    name = rule_file.relative_to(root).as_posix()
    text = read_text(rule_file, name) if rule_file.is_file() else ""
    node = source.read(name, text) if isinstance(text, str) else text
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
