"""Rule tests run as a trader would write them, fail where they should, and count what was seen."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT
from tests.lang.desks import RULE, desk, swapped
from v6.errors import Severity
from v6.rules import check_desk, load_desk, load_texts, read_texts
from v6.ruletools.suite import Report, check_tests, junit, run_tests

HELD = swapped(RULE, {"when:": "for: 10m\nwhen:"})
HEAD = "version: 1\nrule: take_profit\ninterval: 5m\ntests:\n"


def case(expect: str, series: str = "pnl_ratio: 0.4 0.6x3", more: str = "") -> str:
    return f"{HEAD}  - title: t\n    series:\n      {series}\n{more}    expect:\n      - {expect}\n"


def run(root: Path, test: str, rule: str = RULE, *more: str, name: str = "rules/a.test.yaml") -> Report:
    for file, text in {**desk(rule, *more), name: test}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return run_tests(root, load_desk(root))


def messages(report: Report) -> list[str]:
    failures = [str(f) for outcome in report.outcomes for f in outcome.failures]
    return failures + [str(d) for d in report.diagnostics]


def test_every_comparison_of_the_twelve_rules_and_the_extra_ones_is_seen_true_and_false() -> None:
    report = run_tests(ROOT, load_desk(ROOT))
    assert messages(report) == []
    assert report.failed == 0
    extra = {path.stem for path in ROOT.glob("rules/extra/*.yaml") if "." not in path.stem}
    assert len(extra) == 3
    assert {seen.rule for seen in report.coverage} == {rule.id for rule in load_desk(ROOT).rules} | extra
    assert [seen for seen in report.coverage if not seen.complete] == []
    assert report.percent == 100


def test_an_expectation_compares_only_what_it_names(tmp_path: Path) -> None:
    report = run(tmp_path, case("{at: 5m, fires: true}"))
    assert (report.passed, report.failed) == (1, 0)


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("{at: 5m, fires: false}", "at 5m `fires` is true, expected false (pnl_ratio = 0.6, target = 0.5)"),
        (
            "{at: 0m, first: take_profit}",
            "at 0m `first` is null, expected take_profit (pnl_ratio = 0.4, target = 0.5)",
        ),
        ("{at: 5m, action: roll}", "at 5m `action` is close, expected roll (pnl_ratio = 0.6, target = 0.5)"),
        ("{at: 5m, unknown: true}", "at 5m `unknown` is false, expected true (pnl_ratio = 0.6, target = 0.5)"),
        ("{at: 5m, signal: pending}", "at 5m `signal` is firing, expected pending (pnl_ratio = 0.6, target = 0.5)"),
    ],
)
def test_what_is_not_as_expected_fails_with_its_place_and_the_values(
    tmp_path: Path, expect: str, message: str
) -> None:
    report = run(tmp_path, case(expect))
    assert report.failed == 1
    assert messages(report) == [f"rules/a.test.yaml:9:14: expectation: {message}"]


def test_a_signal_is_pending_until_it_has_held_long_enough(tmp_path: Path) -> None:
    expect = "{at: 0m, signal: inactive}\n      - {at: [5m, 10m], signal: pending}\n      - {at: 15m, signal: firing}"
    assert messages(run(tmp_path, case(expect), HELD)) == []


def test_rows_that_are_taken_out_are_a_gap_in_which_timers_start_again(tmp_path: Path) -> None:
    gap = "    no_rows: [{from: 10m, to: 25m}]\n"
    series = "pnl_ratio: 0.4 0.6x6"
    expect = "{at: [5m, 25m, 30m], signal: pending}"
    assert messages(run(tmp_path, case(expect, series, gap), HELD)) == []
    assert len(messages(run(tmp_path, case(expect, series), HELD))) == 2


@pytest.mark.parametrize(
    ("swaps", "place", "code", "text"),
    [
        ({"pnl_ratio: 0.4": "pnl_ration: 0.4"}, "7:7", "unknown-key", "did you mean `pnl_ratio`?"),
        ({"rule: take_profit": "rule: take_profits"}, "2:7", "unknown-rule", "did you mean `take_profit`?"),
        ({"fires: true": "fire: true"}, "9:18", "unknown-key", "did you mean `fires`?"),
        ({"at: 5m": "at: 7m"}, "9:14", "no-row", "rows are 300 s apart"),
        ({"at: 5m": "at: 25m"}, "9:14", "no-row", "the last at 20m"),
        ({"fires: true": "first: stop_loss"}, "9:25", "unknown-rule", "tested here: take_profit"),
        ({", fires: true": ""}, "9:9", "no-effect", "add fires"),
        ({"0.6x3": "0.6y3"}, "7:22", "bad-series", "no series"),
        ({"pnl_ratio: 0.4": "vix: 14\n      pnl_ratio: 0.4"}, "7:7", "length", "`vix` has 1 value, `pnl_ratio` has 5"),
        ({"interval: 5m": "interval: 5m\nstart: '2024-02-31T15:00:00Z'"}, "4:8", "bad-value", "is not a time"),
    ],
)
def test_a_mistake_in_a_test_file_is_named_with_its_place(
    tmp_path: Path, swaps: dict[str, str], place: str, code: str, text: str
) -> None:
    report = run(tmp_path, swapped(case("{at: 5m, fires: true}"), swaps))
    found = [d for d in report.diagnostics if d.code == code]
    assert [str(d.span) for d in found] == [f"rules/a.test.yaml:{place}"]
    assert text in str(found[0])
    assert report.failed == 1
    assert report.outcomes == ()


def test_a_field_that_is_never_missing_must_be_given(tmp_path: Path) -> None:
    rule = swapped(RULE, {"when: pnl_ratio >= target": "when: pnl_ratio >= target and dte > 3"})
    rule = rule.replace("{pnl_ratio", "{dte: 9, pnl_ratio")
    report = run(tmp_path, case("{at: 5m, fires: true}"), rule)
    assert [d.code for d in report.diagnostics] == ["not-given"]


def test_all_rules_together_are_asked_by_name(tmp_path: Path) -> None:
    other = swapped(RULE, {"id: take_profit": "id: other", "priority: 50": "priority: 60", "value: 0.5": "value: 0.3"})
    test = case("{at: 0m, fires: [other], first: other}\n      - {at: 5m, fires: [other, take_profit], unknown: []}")
    report = run(
        tmp_path,
        swapped(test, {"rule: take_profit\n": ""}),
        RULE,
        other.replace("0.4}, fires: false", "0.2}, fires: false"),
    )
    assert messages(report) == []


def test_which_rules_must_be_said_where_there_are_several(tmp_path: Path) -> None:
    report = run(tmp_path, swapped(case("{at: 0m, fires: true, signal: firing}"), {"rule: take_profit\n": ""}))
    assert [d.code for d in report.diagnostics] == ["ambiguous", "ambiguous"]


def test_a_rule_that_is_not_active_can_be_tested_beside_its_file(tmp_path: Path) -> None:
    run(tmp_path, case("{at: 5m, fires: true}"))
    extra = tmp_path / "rules/extra"
    extra.mkdir()
    (extra / "more.yaml").write_text(swapped(RULE, {"id: take_profit": "id: more"}))
    (extra / "more.test.yaml").write_text(swapped(case("{at: 5m, fires: true}"), {"rule: take_profit": "rule: more"}))
    report = run_tests(tmp_path, load_desk(tmp_path))
    assert (report.passed, report.failed) == (2, 0)
    assert {seen.rule for seen in report.coverage} == {"take_profit", "more"}


def test_coverage_counts_each_outcome_and_lists_what_was_never_seen(tmp_path: Path) -> None:
    report = run(tmp_path, case("{at: 0m, fires: false}", "pnl_ratio: 0.4 _ 0.4"))
    counts = {seen.comparison: (seen.true, seen.false, seen.unknown) for seen in report.coverage}
    assert counts == {"(verdict)": (0, 2, 1), "pnl_ratio >= target": (0, 2, 1)}
    assert report.percent == 50


def test_a_fallback_counts_only_where_it_is_consulted(tmp_path: Path) -> None:
    rule = swapped(
        RULE, {"when:": "on_missing: escalate\nmissing_for: 5m\nfallback: broker_pnl_ratio >= target\nwhen:"}
    )
    series = "pnl_ratio: 0.4 _ _\n      broker_pnl_ratio: 0.6 0.6 0.4"
    counts = {
        s.comparison: (s.true, s.false, s.unknown)
        for s in run(tmp_path, case("{at: 5m, fires: true}", series), rule).coverage
    }
    assert counts["broker_pnl_ratio >= target"] == (1, 1, 0)


def test_test_files_are_no_part_of_what_a_desk_means(tmp_path: Path) -> None:
    run(tmp_path, "nonsense: [")
    assert check_desk(tmp_path) == []
    texts = read_texts(tmp_path)
    assert texts.pop("rules/a.test.yaml") == "nonsense: ["
    assert load_desk(tmp_path) == load_texts(texts)


def test_a_check_tells_the_same_failures_as_a_run(tmp_path: Path) -> None:
    report = run(tmp_path, case("{at: 5m, fires: false}"))
    (failure,) = report.outcomes[0].failures
    (found,) = check_tests(read_texts(tmp_path), load_desk(tmp_path))
    assert str(found) == f"{failure} (in the test: t)"
    assert found.severity is Severity.ERROR


def test_a_check_of_the_shipped_desk_finds_nothing() -> None:
    assert check_tests(read_texts(ROOT), load_desk(ROOT)) == []


def test_a_check_runs_no_tests_that_a_reload_would_wait_long_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, case("{at: 5m, fires: false}"))
    monkeypatch.setattr("v6.ruletools.suite.MAX_ROWS", 5)
    assert [d.code for d in check_tests(read_texts(tmp_path), load_desk(tmp_path))] == ["expectation"]
    monkeypatch.setattr("v6.ruletools.suite.MAX_ROWS", 4)
    assert [d.code for d in check_tests(read_texts(tmp_path), load_desk(tmp_path))] == ["too-large"]


def test_junit_names_files_tests_and_failures(tmp_path: Path) -> None:
    report = run(tmp_path, case("{at: 5m, fires: false}"))
    root = ElementTree.fromstring(junit(report))
    assert root.attrib == {"tests": "1", "failures": "1"}
    assert root.find("testsuite/testcase/failure").attrib["message"].startswith("rules/a.test.yaml:9:14")  # type: ignore[union-attr]
    broken = ElementTree.fromstring(junit(run(tmp_path, "nonsense: [")))
    assert broken.find("testsuite/testcase/error") is not None


def test_alerts_are_expected_once_per_episode(tmp_path: Path) -> None:
    tells = {"when:": "alert: {severity: info, text: look}\nwhen:", "action: close": "action: reduce, fraction: 0.5"}
    rule, series = swapped(RULE, tells), "pnl_ratio: [0.4, 0.6, 0.6, 0.4, 0.6]"
    expect = "{at: [5m, 20m], alerts: true, action: reduce}"
    more = "\n      - ".join((expect, "{at: [0m, 10m, 15m], alerts: false, action: null}", "{at: 10m, fires: true}"))
    assert messages(run(tmp_path, case(more, series), rule)) == []
    wrong = run(tmp_path, case("{at: 10m, alerts: true}", series), rule)
    (failure,) = messages(wrong)
    assert "at 10m `alerts` is false, expected true" in failure
