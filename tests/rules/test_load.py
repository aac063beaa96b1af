from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lang.desks import RULE, desk, swapped
from v6.errors import ConfigError, Severity
from v6.lang.load import read_desk
from v6.rules import check_desk, load_desk, load_texts, read_texts


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_folder_and_its_texts_are_the_same_desk(tmp_path: Path) -> None:
    write(tmp_path, desk())
    assert read_texts(tmp_path) == desk()
    assert load_desk(tmp_path) == load_texts(desk())
    assert check_desk(tmp_path) == []


def test_a_mistake_in_the_calendar_is_found_with_those_in_the_rules(tmp_path: Path) -> None:
    write(tmp_path, desk() | {"events.yaml": "version: 1\nsymbols: {SPX: {earnings: none}}\n"})
    assert check_desk(tmp_path) == []
    write(tmp_path, {"events.yaml": "version: 1\nsymbols: {SPX: {earnings: never}}\n"})
    (found,) = check_desk(tmp_path)
    assert str(found).startswith("events.yaml:2:27: bad-value")
    (tmp_path / "events.yaml").write_bytes(b"\xff")
    assert [d.code for d in check_desk(tmp_path)] == ["encoding"]
    assert load_desk(tmp_path) == load_texts(desk()), "the rules do not depend on it"


RECORDING = """\
version: 1
every_s: 1800
watched:
  - {symbol: SPX, sec_type: IND, exchange: CBOE}
chains:
  - {symbol: SPX, trading_class: SPXW, dte_min: 20, dte_max: 60, strikes: 0.1}
"""


def test_a_mistake_in_the_recording_plan_is_found_with_those_in_the_rules(tmp_path: Path) -> None:
    write(tmp_path, desk() | {"recording.yaml": RECORDING})
    assert check_desk(tmp_path) == []
    write(
        tmp_path, {"recording.yaml": RECORDING.replace("every_s", "every"), "events.yaml": "version: 1\nsymbols: 3\n"}
    )
    assert list(map(str, check_desk(tmp_path))) == [
        "events.yaml:2:10: bad-value: `symbols` must be a mapping of keys, not 3",
        "recording.yaml:1:1: missing-key: `every_s` is missing in the file",
        "recording.yaml:2:1: unknown-key: no key `every` here (did you mean `every_s`?)",
    ]
    (tmp_path / "events.yaml").unlink()
    (tmp_path / "recording.yaml").unlink()
    (tmp_path / "recording.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert [(d.span.file, d.code) for d in check_desk(tmp_path)] == [("recording.yaml", "symlink")]
    assert load_desk(tmp_path) == load_texts(desk()), "the rules do not depend on it"


def test_an_example_that_the_rule_contradicts_stops_the_desk() -> None:
    with pytest.raises(ConfigError) as caught:
        load_texts(desk(swapped(RULE, {"pnl_ratio: 0.4}": "pnl_ratio: 0.5}"})))
    assert str(caught.value) == (
        "rules/a.yaml:12:5: example: the example says it does not fire, the rule says it fires (correct one of them)"
    )


def test_a_missing_input_makes_an_example_unknown_not_false() -> None:
    with pytest.raises(ConfigError) as caught:
        load_texts(desk(swapped(RULE, {"pnl_ratio: 0.4}": "pnl_ratio: null}"})))
    assert "the example says it does not fire, the rule says it is unknown" in str(caught.value)


def test_a_track_that_an_example_leaves_out_starts_with_its_row() -> None:
    text = swapped(RULE, {"when: pnl_ratio": "track: {peak: max(pnl_ratio * 2)}\nwhen: peak"})
    with pytest.raises(ConfigError) as caught:
        load_texts(desk(text))
    assert "rules/a.yaml:13:5: example" in str(caught.value)


def test_examples_are_judged_even_when_another_file_is_broken() -> None:
    wrong = swapped(RULE, {"pnl_ratio: 0.4}": "pnl_ratio: 0.5}"})
    with pytest.raises(ConfigError) as caught:
        load_texts(desk(wrong, "nonsense"))
    assert {d.code for d in caught.value.diagnostics} == {"example", "bad-value"}


def test_files_that_cannot_be_read_are_diagnostics(tmp_path: Path) -> None:
    write(tmp_path, desk())
    (tmp_path / "rules" / "a.yaml").write_bytes(b"version: 1\nid: caf\xe9\n")
    (tmp_path / "rules" / "huge.yaml").write_bytes(b"#" * 300_000)
    assert [str(d) for d in check_desk(tmp_path)] == [
        "rules/a.yaml:2:1: encoding: the file is not UTF-8",
        "rules/huge.yaml:1:1: too-large: the file is larger than 256 kB",
    ]
    with pytest.raises(ConfigError):
        load_desk(tmp_path)


def test_an_empty_folder_is_two_missing_files(tmp_path: Path) -> None:
    assert [d.code for d in check_desk(tmp_path)] == ["missing-file", "missing-file"]


@given(st.integers(0, len(RULE)), st.integers(0, 12), st.text("{}[]:-'\"|>&*!#%@, \nx0.5e9\x00≥", max_size=6))
def test_no_damage_to_a_rule_raises_anything_but_diagnostics(at: int, cut: int, put: str) -> None:
    files = desk(RULE[:at] + put + RULE[at + cut :])
    with suppress(ConfigError):
        load_texts(files)
    failed = any(d.severity is Severity.ERROR for d in read_desk(files).diagnostics)
    assert failed is (read_desk(files).desk is None)
