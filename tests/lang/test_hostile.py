from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.lang.desks import RULE, desk, swapped
from tests.lang.hostile import crowds, expressions, rule_tests, yamls
from v6.errors import ConfigError, Diagnostic, Severity
from v6.rules import load_desk, load_texts
from v6.rules.load import check_desk
from v6.ruletools.suite import check_tests

LIMIT_BYTES = 64 * 1024 * 1024

EXPRESSIONS = list(expressions())
YAMLS = [*yamls(RULE), *crowds(RULE)]
RULE_TESTS = list(rule_tests())


def refused(files: dict[str, str]) -> tuple[Diagnostic, ...]:
    with pytest.raises(ConfigError) as caught:
        load_texts(files)
    return caught.value.diagnostics


def placed(diagnostics: tuple[Diagnostic, ...], files: dict[str, str]) -> bool:
    """Tell whether every diagnostic names a place that exists."""
    return all(
        d.span.file in files
        and 1 <= d.span.line <= files[d.span.file].count("\n") + 2
        and d.span.column >= 1
        and "\n" not in d.message
        for d in diagnostics
    )


def quoted(text: str) -> str:
    """Return the text as a YAML scalar that YAML itself has nothing to say about, where that is possible."""
    return "'" + text.replace("'", "''") + "'"


def test_the_corpus_is_large() -> None:
    assert len(EXPRESSIONS) + len(YAMLS) >= 300
    assert len(set(EXPRESSIONS)) == len(EXPRESSIONS)


@pytest.mark.parametrize("text", EXPRESSIONS, ids=lambda t: ascii(t)[:60])
def test_a_hostile_condition_is_refused_with_its_place(text: str) -> None:
    files = desk(swapped(RULE, {"when: pnl_ratio >= target": "when: " + quoted(text)}))
    diagnostics = refused(files)
    assert any(d.severity is Severity.ERROR for d in diagnostics)
    assert placed(diagnostics, files)


@pytest.mark.parametrize("text", YAMLS, ids=lambda t: ascii(t)[:40] + ascii(t)[-20:])
def test_a_hostile_file_is_refused_with_its_place(text: str) -> None:
    files = desk(text)
    diagnostics = refused(files)
    assert any(d.severity is Severity.ERROR and d.span.file == "rules/a.yaml" for d in diagnostics)
    assert placed(diagnostics, files)


@pytest.mark.parametrize("text", RULE_TESTS, ids=lambda t: ascii(t)[:10] + ascii(t)[60:100])
def test_a_hostile_rule_test_is_refused_with_its_place(text: str) -> None:
    files = {**desk(), "rules/a.test.yaml": text}
    diagnostics = tuple(check_tests(files, load_texts(files)))
    assert any(d.severity is Severity.ERROR for d in diagnostics)
    assert placed(diagnostics, files)


@pytest.mark.parametrize("extra", [0, LIMIT_BYTES])
def test_no_hostile_text_takes_much_memory(extra: int) -> None:
    """With 64 MB to spare every text is refused; with that much taken away not even the first is."""
    code = f"from tests.lang.test_hostile import within; within({LIMIT_BYTES - extra})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is (extra == 0), done.stderr[-2000:]
    assert extra == 0 or "MemoryError" in done.stderr


def within(spare: int) -> None:
    """Refuse the whole corpus with so much memory, in bytes, more than is in use after the first text."""
    good = load_texts(desk())
    check_tests({"rules/a.test.yaml": RULE_TESTS[0]}, good)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + spare, in_use + spare))
    for text in EXPRESSIONS:
        refused(desk(swapped(RULE, {"when: pnl_ratio >= target": "when: " + quoted(text)})))
    for text in YAMLS:
        refused(desk(text))
    for text in RULE_TESTS:
        check_tests({"rules/a.test.yaml": text}, good)


def test_a_file_cut_at_any_byte_is_refused_or_means_the_same() -> None:
    whole = (ROOT / "rules/trailing_stop.yaml").read_bytes()
    meaning = load_texts(desk(whole.decode())).rules[0].fingerprint
    refusals = 0
    for cut in range(len(whole)):
        files = desk(whole[:cut].decode(errors="surrogateescape"))
        try:
            found = load_texts(files).rules[0].fingerprint
        except ConfigError as error:
            refusals += placed(error.diagnostics, files)
        else:
            # Examples are no part of the meaning; a file cut between two of them is whole.
            assert found == meaning
            refusals += 1
    assert refusals == len(whole)


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    for name, text in desk().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    for junk in (b"\xff\xfe\x00", b"version: 1\nid: \xc3\x28\n", bytes(range(256)), b"\x00" * 100):
        (tmp_path / "rules/a.yaml").write_bytes(junk)
        with pytest.raises(ConfigError, match=r"rules/a\.yaml:\d+:\d+"):
            load_desk(tmp_path)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for name, text in desk().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    rule = tmp_path / "rules/a.yaml"
    rule.unlink()
    rule.mkdir()
    assert any(d.span.file == "rules/a.yaml" for d in check_desk(tmp_path))
    rule.rmdir()
    rule.symlink_to(rule)
    assert any(d.severity is Severity.ERROR for d in check_desk(tmp_path))
