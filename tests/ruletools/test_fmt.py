"""One layout for every file: comments stay with their keys, and no formatting changes a meaning."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from v6.ruletools.files import format_files
from v6.ruletools.fmt import format_text, kind_of

SHIPPED = {
    p.relative_to(ROOT).as_posix(): p.read_text() for d in ("rules", "strategies") for p in (ROOT / d).glob("*.yaml")
}

WILD = """\
# yaml-language-server: x

# my rule
id:   take_profit   # the id
version: 1


priority: 50
scope: "position"
# why the title
title: Take half
then: {urgency: high,  action: close}   # behind then
params:     # constants
    # the target
    target:    {unit: ratio, value: 0.50, max: 2, min: 0.1}
    other:
      unit: ratio
      # bounds
      value: .5
      min: 0
      max: 1
    # tail of params

track: {peak:  "max( pnl_ratio*2 )"}
when: >   # cond
  pnl_ratio>=target and (peak > other or dte<3 and pnl_ratio>0.10) and not (dte > 4)
  and   pnl_ratio   < 1e0
doc: one
  two
examples:
# first
- given: {pnl_ratio: 0.6,
          # inner
          dte: 2}
  fires: true
- fires: false
  # given
  given: {pnl_ratio: 0.4, dte: 2}
- {fires: unknown, given: {pnl_ratio: null, dte: 2}} # u
# end
"""
TAME = """\
# yaml-language-server: x

# my rule
version: 1
id: take_profit     # the id

priority: 50
scope: "position"
# why the title
title: Take half
doc: one two
params:     # constants
  # the target
  target: {value: 0.50, unit: ratio, min: 0.1, max: 2}
  other:
    # bounds
    value: .5
    unit: ratio
    min: 0
    max: 1
  # tail of params

track: {peak: max(pnl_ratio * 2)}
when: >   # cond
  pnl_ratio >= target and (peak > other or (dte < 3 and pnl_ratio > 0.1)) and not (dte > 4)
  and pnl_ratio < 1
then: {action: close, urgency: high}    # behind then
examples:
  # first
  - given: {pnl_ratio: 0.6,
          # inner
          dte: 2}
    fires: true
  # given
  - given: {pnl_ratio: 0.4, dte: 2}
    fires: false
  - {given: {pnl_ratio: null, dte: 2}, fires: unknown}  # u
  # end
"""


def formatted(name: str, text: str) -> str:
    kind = kind_of(name)
    assert kind is not None
    written = format_text(name, kind, text)
    assert isinstance(written, str), [str(d) for d in written]
    return written


def test_a_wild_file_becomes_tame_and_keeps_every_comment() -> None:
    assert formatted("rules/a.yaml", WILD) == TAME


NEW = """\
id: half
version: 1
priority: 50
scope: position
title: Half
track:
  usual: mean( iv,60m )   # the hour
  jump: "change(max( vix , 20 ),1d )"
  was: last_before(iv
    , 1h)
when: pnl_ratio >= 0.5 and jump<5 and usual>0.1 and was>0
keep_firing_for: 10m
cooldown: 1d
alert: {text: "at {pnl_ratio:.0%}, {{usual}} {usual+0:.1f}", severity: info}
then: {fraction: 0.5, urgency: low, action: reduce}
apply_to_open: true
examples:
  - {given: {pnl_ratio: 0.6, jump: 0, usual: 0.2, was: 1}, fires: true}
  - {given: {pnl_ratio: 0.4, jump: 0, usual: 0.2, was: 1}, fires: false}
"""


def test_looks_back_shares_and_alerts_are_laid_out() -> None:
    written = formatted("rules/a.yaml", NEW)
    assert formatted("rules/a.yaml", written) == written
    for line in (
        "  usual: mean(iv, 60m)    # the hour",
        "  jump: change(max(vix, 20), 1d)",
        "  was: last_before(iv, 1h)",
        "then: {action: reduce, fraction: 0.5, urgency: low}",
        'alert: {severity: info, text: "at {pnl_ratio:.0%}, {{usual}} {usual+0:.1f}"}',
    ):
        assert f"\n{line}\n" in written
    keys = [line.split(":")[0] for line in written.splitlines() if line[0] not in " #-"]
    assert keys[-7:] == ["when", "keep_firing_for", "cooldown", "then", "alert", "apply_to_open", "examples"]


def test_a_look_back_within_brackets_is_quoted() -> None:
    flow = NEW[: NEW.index("track:")] + "track: {usual: 'mean( iv,1h )'}\n" + NEW[NEW.index("when:") :]
    flow = flow.replace(" and jump<5", "").replace(" and was>0", "").replace(" jump: 0,", "").replace(", was: 1", "")
    assert '\ntrack: {usual: "mean(iv, 1h)"}\n' in formatted("rules/a.yaml", flow)


@pytest.mark.parametrize("name", SHIPPED)
def test_formatting_twice_is_formatting_once(name: str) -> None:
    once = formatted(name, SHIPPED[name])
    assert formatted(name, once) == once


@pytest.mark.parametrize("name", [name for name in SHIPPED if name.endswith(".test.yaml")])
def test_the_shipped_rule_tests_are_in_canonical_layout(name: str) -> None:
    assert formatted(name, SHIPPED[name]) == SHIPPED[name]


@settings(max_examples=150, deadline=None)
@example(1722857)
@given(st.integers(min_value=0, max_value=2**32))
def test_no_comment_and_no_order_of_keys_makes_it_lose_anything(seed: int) -> None:
    chance = random.Random(seed)
    name = chance.choice(sorted(SHIPPED))
    text = _scribbled(chance, SHIPPED[name].rstrip("\n").split("\n"))
    kind = kind_of(name)
    assert kind is not None
    written = format_text(name, kind, text)
    if isinstance(written, list):
        # The scribble broke the file itself, such as a line within a condition.
        assert "not-formatted" not in {d.code for d in written}
        return
    assert formatted(name, written) == written
    assert sorted(_marks(written)) == sorted(_marks(text))


def _scribbled(chance: random.Random, lines: list[str]) -> str:
    for i in range(chance.randint(1, 5)):
        place = chance.randrange(len(lines))
        match chance.randrange(3):
            case 0:
                lines.insert(place, f"{' ' * chance.choice([0, 2, 4, 6])}# mark{i}")
            case 1:
                lines.insert(place, "")
            case _ if lines[place].strip():
                lines[place] += f"{'  ' * chance.randint(1, 4)}# mark{i}"
    if chance.random() < 0.4:
        parts: list[list[str]] = [[]]
        for line in lines:
            if line and line[0] not in " #-" and parts[-1] and not parts[-1][-1].startswith("#"):
                parts.append([])
            parts[-1].append(line)
        chance.shuffle(parts)
        lines = [line for part in parts for line in part]
    return "\n".join(lines) + "\n"


def _marks(text: str) -> list[str]:
    return [word for word in text.split() if word.startswith("mark")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("version: 1\nid: [", "yaml"),
        (WILD.replace("pnl_ratio>=target", "pnl_ration>=target"), "unknown-name"),
        (WILD.replace("priority: 50", "priority: high"), "bad-value"),
        ("{version: 1}", "missing-key"),
    ],
)
def test_a_file_with_a_mistake_is_reported_and_not_formatted(text: str, code: str) -> None:
    found = format_text("rules/a.yaml", "rule", text)
    assert isinstance(found, list)
    assert code in {d.code for d in found}


def test_a_layout_that_would_change_the_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "v6.ruletools.layout.spell_lines", lambda expr, indent: ["pnl_ratio > 0.9 and", "peak > other"]
    )
    (found,) = format_text("rules/a.yaml", "rule", WILD)
    assert "would not mean the same" in str(found)


def test_a_layout_that_would_lose_a_comment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("v6.ruletools.layout.Layout._own_lines", lambda *_: [])
    (found,) = format_text("rules/a.yaml", "rule", WILD)
    assert "a comment would be lost" in str(found)


def test_only_files_that_change_are_written_and_whole(tmp_path: Path) -> None:
    for name, text in {"rules/a.yaml": WILD, "rules/b.yaml": TAME, "rules/c.yaml": "id: ["}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    looked = format_files(tmp_path, write=False)
    assert (looked.changed, looked.unchanged) == (("rules/a.yaml",), 1)
    assert "+id: take_profit     # the id" in looked.diffs[0]
    assert (tmp_path / "rules/a.yaml").read_text() == WILD
    format_files(tmp_path, write=True)
    assert (tmp_path / "rules/a.yaml").read_text() == TAME
    assert (tmp_path / "rules/c.yaml").read_text() == "id: ["
    assert sorted(p.name for p in (tmp_path / "rules").iterdir()) == ["a.yaml", "b.yaml", "c.yaml"]


def test_line_ends_of_windows_become_those_of_everyone() -> None:
    assert formatted("rules/a.yaml", WILD.replace("\n", "\r\n")) == TAME
