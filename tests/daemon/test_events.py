"""events.yaml beside a running daemon."""

from pathlib import Path

import pytest

from v6.daemon.events import DeskEvents
from v6.lang.events import EventCalendar
from v6.lang.source import MAX_BYTES
from v6.model.upcoming import Earnings

GOOD = "version: 1\nsymbols: {SPX: {earnings: none}}\n"
BETTER = "version: 1\nsymbols: {SPX: {earnings: none}, AAPL: {earnings: none}}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.yaml"


def test_without_a_file_nothing_is_said(tmp_path: Path) -> None:
    events = DeskEvents(tmp_path)
    assert events.poll() == ()
    assert events.calendar == EventCalendar()


def test_a_changed_file_is_taken_at_the_next_look(path: Path) -> None:
    path.write_text(GOOD)
    events = DeskEvents(path.parent)
    assert events.poll() == ()
    assert events.calendar.of("SPX").earnings is Earnings.NONE
    path.write_text(BETTER)
    assert events.poll() == ()
    assert events.calendar.of("AAPL").earnings is Earnings.NONE


def test_a_file_that_was_removed_says_nothing_any_more(path: Path) -> None:
    path.write_text(GOOD)
    events = DeskEvents(path.parent)
    events.poll()
    path.unlink()
    assert events.poll() == ()
    assert events.calendar == EventCalendar()
    path.write_text(GOOD)
    events.poll()
    assert events.calendar.of("SPX").earnings is Earnings.NONE


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version: 1\nsymbols: {SPX: {earnings: never}}", "events.yaml:2:27: bad-value"),
        (b"version: 1\nsym", "events.yaml:"),
        (b"\xff\xfe", "events.yaml:1:1: encoding"),
        (b"#" * (MAX_BYTES + 1), "events.yaml:1:1: too-large"),
        (b"", "events.yaml:1:1: empty-file"),
    ],
)
def test_a_bad_file_is_told_once_and_the_last_good_one_stays(path: Path, content: bytes, said: str) -> None:
    path.write_text(GOOD)
    events = DeskEvents(path.parent)
    events.poll()
    path.write_bytes(content)
    told = events.poll()
    assert told
    assert told[0].startswith(said)
    assert events.poll() == (), "once for each content"
    assert events.calendar.of("SPX").earnings is Earnings.NONE
    path.write_text(BETTER)
    assert events.poll() == ()
    assert events.calendar.of("AAPL").earnings is Earnings.NONE


def test_what_cannot_be_opened_is_told_once_too(path: Path) -> None:
    path.mkdir()
    events = DeskEvents(path.parent)
    assert events.poll() == ("events.yaml:1:1: unreadable: a folder, not a file",)
    assert events.poll() == ()
