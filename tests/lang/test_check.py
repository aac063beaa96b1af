"""Mistakes in a desk's files, each with the place and the words a user sees."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.lang.desks import LIMITS, RULE, STRATEGY, desk, swapped
from v6.lang.load import read_desk


def found(files: Mapping[str, str]) -> list[str]:
    return [str(diagnostic) for diagnostic in read_desk(files).diagnostics]


def test_the_desk_these_tests_start_from_is_sound() -> None:
    assert found(desk()) == []


CASES: list[tuple[dict[str, str], list[str]]] = [
    (
        {"pnl_ratio >= target": "abs(delta) > 30"},
        ["rules/a.yaml:8:7: out-of-range: `abs(delta)` lies between 0 and 16, never at 30 (write 0.3)"],
    ),
    (
        {"pnl_ratio >= target": "pnl_ratio >= 50"},
        ["rules/a.yaml:8:7: unit-mismatch: `pnl_ratio` is a ratio but 50 is a percentage (write 0.5)"],
    ),
    (
        {"pnl_ratio >= target": "underlying_change_1h <= -3 or pnl_ratio >= target"},
        [
            "rules/a.yaml:8:7: out-of-range: `underlying_change_1h` lies between -1 and 10, never at -3 (write -0.03)",
        ],
    ),
    (
        {"pnl_ratio >= target": "pnl >= target"},
        [
            "rules/a.yaml:8:7: unit-mismatch: `pnl` is in usd but `target` is in ratio "
            "(divide or multiply by something to bring them to one unit)"
        ],
    ),
    (
        {"pnl_ratio >= target": "delta + iv > 0"},
        [
            "rules/a.yaml:8:7: unit-mismatch: `delta` is in delta but `iv` is in vol "
            "(divide or multiply by something to bring them to one unit)"
        ],
    ),
    (
        {"pnl_ratio >= target": "pnl / quantity > max_profit * target"},
        [
            "rules/a.yaml:8:7: unit-mismatch: `pnl / quantity` is in count^-1*usd but `max_profit * target` is in usd "
            "(divide or multiply by something to bring them to one unit)"
        ],
    ),
    (
        {"pnl_ratio >= target": "pnl_ratio"},
        [
            "rules/a.yaml:8:7: type: `pnl_ratio` is a number, but a condition is needed here "
            "(compare it with something)"
        ],
    ),
    (
        {"pnl_ratio >= target": "pnl_ratio >= target and dte"},
        ["rules/a.yaml:8:31: type: `dte` is a number, but a condition is needed here (compare it with something)"],
    ),
    (
        {"pnl_ratio >= target": "(pnl_ratio > 0) == True"},
        [
            "rules/a.yaml:8:7: type: `pnl_ratio > 0` is a condition and `True` is a condition: not comparable "
            "(a condition stands for itself)"
        ],
    ),
    (
        {"pnl_ratio >= target": "structure == 'iron_condr'"},
        ["rules/a.yaml:8:20: choice: 'iron_condr' is not a possible value (did you mean `iron_condor`?)"],
    ),
    (
        {"pnl_ratio >= target": "structure > 'single'"},
        ["rules/a.yaml:8:7: type: words have no order: `>` (compare with == or !=)"],
    ),
    (
        {"pnl_ratio >= target": "structure == 3"},
        ["rules/a.yaml:8:7: type: `structure` is a word and `3` is a number: not comparable"],
    ),
    (
        {"pnl_ratio >= target": "pnl_rato >= target"},
        ["rules/a.yaml:8:7: unknown-name: no field, param or track `pnl_rato` (did you mean `pnl_ratio`?)"],
    ),
    (
        {"pnl_ratio >= target": "(1 if dte > 3 else structure) > 0"},
        ["rules/a.yaml:8:8: type: the two branches are a number and a word; both must be numbers or both conditions"],
    ),
    (
        {"params:\n": "params:\n  dte: {value: 1, unit: days, min: 0, max: 2}\n"},
        ["rules/a.yaml:7:3: name-taken: `dte` is already a field (choose another name)"],
    ),
    (
        {"value: 0.5": "value: 0.05"},
        ["rules/a.yaml:7:11: out-of-range: `target` is 0.05, outside of its own range 0.1 to 2"],
    ),
    (
        {"pnl_ratio >= target": "pnl_ratio >= 0.5"},
        ["rules/a.yaml:7:3: unused: `target` is never read"],
    ),
    (
        {"when:": "track: {peak: mean(pnl_ratio)}\nwhen:"},
        [
            "rules/a.yaml:8:15: bad-track: `mean` needs to know how far to look back (write mean(pnl_ratio, 1h))",
        ],
    ),
    (
        {"when:": "track: {peak: maxi(pnl_ratio)}\nwhen:"},
        ["rules/a.yaml:8:15: bad-track: no aggregate `maxi` (did you mean `max`?)"],
    ),
    (
        {"when:": "track: {peak: pnl_ratio + 1}\nwhen:"},
        ["rules/a.yaml:8:15: bad-track: `pnl_ratio + 1` is not an aggregate (write max(pnl_ratio) or mean(iv, 1h))"],
    ),
    (
        {"when:": "track: {peak: max(pnl_rato)}\nwhen:"},
        ["rules/a.yaml:8:19: unknown-name: no field, param or track `pnl_rato` (did you mean `pnl_ratio`?)"],
    ),
    (
        {"when:": "track: {peak: max(dte > 3)}\nwhen:"},
        ["rules/a.yaml:8:19: type: `dte > 3` is a condition, but a number is needed here"],
    ),
    (
        {"scope: position": "scope: portfolio", "action: close": "action: halt_opens"},
        ["rules/a.yaml:8:7: scope: `pnl_ratio` belongs to a position and a portfolio rule has none"],
    ),
    (
        {"action: close": "action: halt_opens"},
        ["rules/a.yaml:9:1: scope: a rule of scope position cannot halt_opens (it can close, reduce, roll, alert)"],
    ),
    (
        {"action: close": "action: reduce"},
        ["rules/a.yaml:9:7: missing-key: `fraction` is missing in `then`"],
    ),
    (
        {"action: close": "action: alert"},
        [
            "rules/a.yaml:9:1: missing-key: a rule that does alert says nothing "
            "(write alert: {severity: ..., text: ...})"
        ],
    ),
    (
        {"when:": "cooldown: 5m\nwhen:"},
        [
            "rules/a.yaml:8:1: pause: a rule that does close must not pause while its condition holds "
            "(remove the cooldown)"
        ],
    ),
    (
        {"action: close": "action: hedge"},
        ["rules/a.yaml:9:16: not-yet-supported: `hedge` is not supported yet"],
    ),
    (
        {"action: close": "action: reduce, fraction: 0"},
        ["rules/a.yaml:9:34: out-of-range: `fraction` must be more than 0, not 0"],
    ),
    (
        {"when:": "alert: {severity: info, text: '{pnl_rato:.0%}'}\nwhen:"},
        ["rules/a.yaml:8:33: unknown-name: no field, param or track `pnl_rato` (did you mean `pnl_ratio`?)"],
    ),
    (
        {"when:": "track: {peak: max(pnl_ratio)}\nalert: {severity: info, text: 'at {target}'}\nwhen:"},
        ["rules/a.yaml:8:9: unused: `peak` is never read"],
    ),
    (
        {"when:": "protective: true\nwhen:"},
        [
            "rules/a.yaml:9:1: silent-protection: a protective rule must not wait silently, but `pnl_ratio` can go "
            "missing (write on_missing: escalate with missing_for and fallback (or fallback: null))"
        ],
    ),
    (
        {"when:": "on_missing: escalate\nmissing_for: 5m\nwhen:"},
        ["rules/a.yaml:1:1: missing-key: `fallback` is missing in the file"],
    ),
    (
        {"when:": "missing_for: 5m\nwhen:"},
        [
            "rules/a.yaml:8:1: no-effect: `missing_for` has no effect unless on_missing is escalate "
            "(write on_missing: escalate, or remove it)"
        ],
    ),
    (
        {"fires: false": "fires: true"},
        ["rules/a.yaml:10:1: examples: no example in which the rule does not fire"],
    ),
    (
        {"given: {pnl_ratio: 0.4}": "given: {pnl_ratio: 0.4, dte: 3}"},
        ["rules/a.yaml:12:30: unknown-name: the rule does not read `dte` (it reads pnl_ratio)"],
    ),
    (
        {"given: {pnl_ratio: 0.4}": "given: {pnl_ratio: 400}"},
        ["rules/a.yaml:12:25: out-of-range: `pnl_ratio` lies between -100 and 100, never at 400"],
    ),
    (
        {"priority: 50": "prioritty: 50"},
        [
            "rules/a.yaml:1:1: missing-key: `priority` is missing in the file",
            "rules/a.yaml:3:1: unknown-key: no key `prioritty` here (did you mean `priority`?)",
        ],
    ),
    (
        {"action: close": "action: clos"},
        ["rules/a.yaml:9:16: bad-value: `action` cannot be clos (did you mean `close`?)"],
    ),
    (
        {"when: pnl_ratio >= target": "when: true"},
        ["rules/a.yaml:8:7: bad-value: `when` must be text, not true (put it in quotes)"],
    ),
    (
        {"id: take_profit": "id: Take-Profit"},
        [
            "rules/a.yaml:2:5: bad-value: `Take-Profit` does not do for `id` "
            "(lower-case letters, digits and underscores)"
        ],
    ),
    (
        {"when:": "for: 1.5m\nwhen:"},
        [
            "rules/a.yaml:8:6: bad-value: `1.5m` does not do for `for` "
            "(how long it must hold: a duration such as 30s, 5m, 1h or 2d)"
        ],
    ),
    (
        {"target: {": "Target: {"},
        [
            "rules/a.yaml:7:3: bad-value: `Target` does not do for `params` "
            "(lower-case letters, digits and underscores)"
        ],
    ),
    ({"priority: 50": "priority: 0"}, ["rules/a.yaml:3:11: out-of-range: `priority` must be at least 1, not 0"]),
    ({"version: 1": "version: 2"}, ["rules/a.yaml:1:10: bad-value: `version` cannot be 2 (one of 1)"]),
    ({"version: 1": "version: true"}, ["rules/a.yaml:1:10: bad-value: `version` cannot be true (one of 1)"]),
]


@pytest.mark.parametrize(("swaps", "mistakes"), CASES, ids=[mistakes[0][13:60] for _, mistakes in CASES])
def test_a_mistake_in_a_rule(swaps: dict[str, str], mistakes: list[str]) -> None:
    assert found(desk(swapped(RULE, swaps))) == mistakes


SOUND: list[dict[str, str]] = [
    {"action: close": "action: reduce, fraction: 0.5", "when:": "cooldown: 1d\nkeep_firing_for: 10m\nwhen:"},
    {"action: close": "action: alert", "when:": "cooldown: 1h\nalert: {severity: info, text: look}\nwhen:"},
    {"action: close": "action: roll", "when:": "cooldown: 1h\nwhen:"},
    {"when:": "apply_to_open: true\nkeep_firing_for: 1d\nwhen:"},
    {"when:": "track: {peak: max(pnl_ratio)}\nalert: {severity: critical, text: '{peak:.0%} of {{all}}'}\nwhen:"},
    {
        "when: pnl_ratio >= target": "track: {jump: 'change(pnl_ratio, 1d)'}\nwhen: jump >= target and pnl_ratio > 0",
        "pnl_ratio: 0.6": "pnl_ratio: 1, jump: 0.6",
        "pnl_ratio: 0.4": "pnl_ratio: 1, jump: 0.4",
    },
]


@pytest.mark.parametrize("swaps", SOUND, ids=[swaps[next(reversed(swaps))][:40] for swaps in SOUND])
def test_what_is_sound(swaps: dict[str, str]) -> None:
    assert found(desk(swapped(RULE, swaps))) == []


def test_a_protective_rule_that_looks_back_must_say_what_it_does_on_a_young_position() -> None:
    swaps = {
        "when: pnl_ratio >= target": "track: {fell: 'last_before(dte, 1h)'}\nprotective: true\nwhen: fell - dte >= 2",
        "params:\n  target: {value: 0.5, unit: ratio, min: 0.1, max: 2}\n": "",
        "{pnl_ratio: 0.6}": "{fell: 5, dte: 1}",
        "{pnl_ratio: 0.4}": "{fell: 5, dte: 4}",
    }
    (silent,) = found(desk(swapped(RULE, swaps)))
    assert "silent-protection: a protective rule must not wait silently, but `fell` can go missing" in silent
    # A mean has the current row at least.
    mean = {old: new.replace("last_before(dte, 1h)", "mean(dte, 1h)") for old, new in swaps.items()}
    assert found(desk(swapped(RULE, mean))) == []


def test_a_warning_leaves_the_desk_usable() -> None:
    files = desk() | {"rules/draft.yaml": "not even: [a rule"}
    reading = read_desk(files)
    assert [str(d) for d in reading.diagnostics] == [
        "rules/draft.yaml:1:1: inactive: not listed in rules/bundle.yaml, so it is not active"
        " (list it under `inactive` if that is meant)"
    ]
    assert reading.desk is not None


def test_equal_ids_and_priorities_name_both_places() -> None:
    assert found(desk(RULE, RULE)) == [
        "rules/b.yaml:2:1: duplicate-id: the id `take_profit` is taken at rules/a.yaml:2:1",
        "rules/b.yaml:3:1: duplicate-priority: priority 50 is taken at rules/a.yaml:3:1 "
        "(which of the two comes first?)",
    ]


def test_mistakes_of_all_files_are_reported_at_once() -> None:
    files = desk(
        swapped(RULE, {"pnl_ratio >= target": "x > 1"}),
        strategy=swapped(STRATEGY, {"vix < 35": "delta < 0.3", "dte_min: 35": "dte_min: 50"}),
        limits=swapped(LIMITS, {"max_margin_ratio: 0.5": "max_margin_ratio: 5"}),
    )
    assert found(files) == [
        "rules/a.yaml:8:7: unknown-name: no field, param or track `x`",
        "rules/limits.yaml:6:19: out-of-range: `max_margin_ratio` must be at most 1, not 5",
        "strategies/s.yaml:6:1: out-of-range: dte_target must lie between dte_min and dte_max",
        "strategies/s.yaml:8:15: scope: `delta` belongs to a position and an entry condition has none",
    ]


def test_a_bundle_that_lists_what_does_not_exist() -> None:
    files = desk() | {"rules/bundle.yaml": "version: 1\nrules: [aa.yaml]\nstrategies: []\n"}
    first, *_ = found(files)
    assert first.startswith("rules/a.yaml:1:1: inactive")
    assert (
        "rules/bundle.yaml:2:9: missing-file: there is no rule file rules/aa.yaml (did you mean `a.yaml`?)"
        in found(files)
    )


@pytest.mark.parametrize("listed", ["../secrets.yaml", "/etc/passwd", "bundle.yaml", "limits.yaml"])
def test_a_bundle_cannot_reach_outside_or_name_itself(listed: str) -> None:
    files = desk() | {"rules/bundle.yaml": f"version: 1\nrules: [{listed}]\nstrategies: []\n"}
    assert any(d.startswith("rules/bundle.yaml:2:9: ") for d in found(files))


def test_an_empty_folder_says_what_is_missing() -> None:
    assert found({}) == [
        "rules/bundle.yaml:1:1: missing-file: rules/bundle.yaml does not exist",
        "rules/limits.yaml:1:1: missing-file: rules/limits.yaml does not exist",
    ]


def test_a_protective_rule_of_what_is_always_there_needs_no_fallback() -> None:
    text = swapped(RULE, {"when: pnl_ratio >= target": "protective: true\nwhen: has(pnl_ratio) and dte <= target"})
    text = swapped(text, {"unit: ratio": "unit: days", "{pnl_ratio: 0.6}": "{pnl_ratio: 1, dte: 0}"})
    assert found(desk(text)) == []
    assert "its arithmetic" in found(desk(swapped(text, {"dte <= target": "dte / credit * credit <= target"})))[0]


def test_more_rules_than_a_mask_has_bits_are_refused() -> None:
    texts = [swapped(RULE, {"take_profit": f"rule_{i}", "priority: 50": f"priority: {i + 1}"}) for i in range(63)]
    files = desk() | {f"rules/r{i}.yaml": text for i, text in enumerate(texts)}
    names = ", ".join(f"r{i}.yaml" for i in range(63))
    files["rules/bundle.yaml"] = f"version: 1\nrules: [{names}]\nstrategies: []\n"
    assert [d for d in found(files) if "inactive" not in d] == [
        "rules/bundle.yaml:2:8: bad-value: `rules` must have at most 62 entries, not 63"
    ]


def test_a_file_that_is_inactive_on_purpose_is_no_finding() -> None:
    resting = "inactive: {rules: [draft.yaml]}\n"
    files = desk() | {"rules/draft.yaml": "not even: [a rule"}
    quiet = files | {"rules/bundle.yaml": files["rules/bundle.yaml"] + resting}
    assert read_desk(quiet).diagnostics == ()
    both = quiet | {"rules/bundle.yaml": quiet["rules/bundle.yaml"].replace("draft", "a")}
    assert [d.message for d in read_desk(both).diagnostics] == [
        "rules/a.yaml is listed as active too",
        "not listed in rules/bundle.yaml, so it is not active",
    ]
    gone = desk() | {"rules/bundle.yaml": files["rules/bundle.yaml"] + resting}
    assert [d.message for d in read_desk(gone).diagnostics] == ["rules/draft.yaml does not exist"]
