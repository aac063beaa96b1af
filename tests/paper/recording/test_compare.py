"""What the comparison finds where a gateway differs from our codec."""

from datetime import UTC, datetime

import pytest

from v6.paper.codec import frame
from v6.paper.fields import NEXT_VALID_ID, POSITION
from v6.paper.recording import Comparison, Entry, Recording, What, compare
from v6.paper.recording.reading import READERS, check

BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
HELLO = Entry(0.0, 1, What.SENT, frame(("178", "20200101 00:00:00 UTC")))


def of(*entries: Entry) -> Comparison:
    return compare(Recording("x", BEGAN, entries, tuple(range(2, 2 + len(entries)))))


def sent(*fields: str) -> Entry:
    return Entry(1.0, 1, What.SENT, frame(fields))


def asked(*fields: str) -> Entry:
    return Entry(1.0, 1, What.ASKED, frame(fields))


VERSIONS = asked("v157..178")


def differences(result: Comparison) -> list[tuple[str, str, int, int]]:
    return [(row.name, *found) for row in result.rows for found in row.differences]


def test_a_recording_that_our_tables_read_is_clean() -> None:
    result = of(VERSIONS, HELLO, asked("71", "2", "1", ""), Entry(1, 1, What.SENT, NEXT_VALID_ID.encode(1)))
    assert result.clean
    assert [(row.side, row.name, row.count) for row in result.rows] == [
        (What.ASKED, "greeting", 1), (What.ASKED, "startApi", 1), (What.SENT, "greeting", 1),
        (What.SENT, "nextValidId", 1),
    ]  # fmt: skip


def test_a_field_too_many_is_told_with_its_count_and_the_line_of_the_first() -> None:
    longer = ("61", "3", *(["x"] * len(POSITION.names)), "new")
    result = of(HELLO, sent(*longer[:-1]), sent(*longer), sent(*longer))
    assert differences(result) == [("position", "17 fields, not 16", 2, 4)]
    assert not result.clean


def test_another_version_of_a_message_is_told() -> None:
    assert differences(of(HELLO, sent("9", "2", "1"))) == [("nextValidId", "version 2, we send 1", 1, 3)]


def test_a_message_that_we_have_no_layout_of_is_unknown_and_not_wrong() -> None:
    result = of(HELLO, sent("100", "1", "2", "3"), asked("v178..178"), asked("10", "5", "1"))
    assert [(row.message, row.known) for row in result.rows if not row.known] == [(10, False), (100, False)]
    assert differences(result) == []
    assert not result.clean


def test_another_server_version_is_told() -> None:
    result = of(Entry(0, 1, What.SENT, frame(("176", "20200101 00:00:00 UTC"))))
    assert result.server_versions == ("176",)
    assert differences(result) == [("greeting", "server version 176; our layouts are those of 178", 1, 2)]


def test_bytes_without_a_message_id_are_unreadable() -> None:
    result = of(HELLO, Entry(1, 1, What.SENT, b"\x00\x00\x00\x02\x08\x01"))
    assert [row.name for row in result.rows if not row.known] == ["unreadable"]


def test_requests_are_read_too() -> None:
    assert differences(of(VERSIONS, asked("61", "1", "more"))) == [
        ("reqPositions", "request 61 has 2 fields after its id, not 1", 1, 3)
    ]


@pytest.mark.parametrize(
    "fields",
    [
        ("17", "1", "a", "b", "1", *"tohlcvac"),
        ("75", "1", "SMART", "5", "SPXW", "100", "2", "20200117", "20200124", "1", "3000"),
        ("77", "1", "1", "n", "v", "d"),
        ("78", "1", "DU0000001", ""),
        ("79", "1", "1", "5", "SPX", "IND", "CBOE", "USD", "2", "OPT", "FUT", "index", ""),
        ("80", "1", *"abcde"),
        ("82", "1", "1", "0", "CBOE", "C"),
        ("85", "1", "BRFG", "Briefing"),
        ("93", "26", "2", "0", "0.05", "3", "0.1"),
        ("96", "1", "1", "t", "0", "p", "s", "1"),
        ("97", "1", "1", *"tabcde", "1"),
        ("98", "1", "1", *"tapsec", "1"),
        ("99", "1", "1", "t", "p", "s", "0", "CBOE", ""),
        ("99", "1", "3", "t", "b", "a", "1", "1", "0"),
        ("99", "1", "4", "t", "m"),
        ("106", "1", "s", "e", "US/Eastern", "1", "a", "b", "c"),
    ],
)
def test_messages_with_counts_are_read_to_their_last_field_and_no_further(fields: tuple[str, ...]) -> None:
    assert int(fields[0]) in READERS
    assert of(HELLO, sent(*fields)).clean
    for wrong in ((*fields, "more"), fields[:-1]):
        assert differences(of(HELLO, sent(*wrong))), wrong


def test_an_unknown_message_is_no_error_of_the_reader() -> None:
    assert check(100, ("100", "1")) is False
