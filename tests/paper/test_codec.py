from decimal import Decimal

import pytest

from v6.paper import fields
from v6.paper.codec import MAX_FRAME, Framer, Malformed, Message, Reader, frame, message, split, text


def test_a_message_survives_being_cut_anywhere() -> None:
    stream = frame(("61", "1")) + frame(("49", "1", "ä"))
    for cut in range(len(stream)):
        framer, bodies = Framer(), []
        for part in (stream[:cut], stream[cut:]):
            framer.feed(part)
            bodies += [split(body) for body in framer.raw()]
        assert bodies == [["61", "1"], ["49", "1", "ä"]]


def test_an_absurd_length_is_malformed_before_anything_is_awaited() -> None:
    framer = Framer()
    framer.feed((MAX_FRAME + 1).to_bytes(4, "big"))
    with pytest.raises(Malformed, match="bytes"):
        list(framer.raw())


def test_the_greeting_is_recognised_piece_by_piece() -> None:
    framer = Framer()
    framer.feed(b"AP")
    assert framer.skip(b"API\0") is None
    framer.feed(b"I\0rest")
    assert framer.skip(b"API\0") is True
    assert framer.skip(b"API\0") is False


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, ""), (True, "1"), (False, "0"), (3, "3"), (2.5, "2.5"), (Decimal("1E+2"), "100"), ("a\0b", "ab")],
)
def test_values_are_written_as_tws_writes_them(value: str | int | float | Decimal | bool | None, written: str) -> None:
    assert text(value) == written


def test_a_table_whose_width_is_not_the_decoders_is_refused() -> None:
    with pytest.raises(AssertionError, match="5 fields, not 6"):
        message(3, 1, 6, "a b c")


def test_a_message_with_a_field_too_few_cannot_be_encoded() -> None:
    with pytest.raises(AssertionError, match="2 values, not 3"):
        message(3, None, 4, "a b c").encode(1, 2)


def test_no_two_server_messages_share_an_id() -> None:
    tables = [value for value in vars(fields).values() if isinstance(value, Message)]
    # Tick by tick is one message with a layout for each kind of tick.
    ids = [table.msg_id for table in tables if table.msg_id != 99]
    assert len(ids) == len(set(ids)) > 30


def test_a_reader_names_the_field_that_is_missing_wrong_or_too_many() -> None:
    with pytest.raises(Malformed, match="before field size"):
        Reader([]).word("size")
    with pytest.raises(Malformed, match="size is not an integer: 'x'"):
        Reader(["x"]).integer("size")
    with pytest.raises(Malformed, match="whatIf is not a flag"):
        Reader(["2"]).flag("whatIf")
    with pytest.raises(Malformed, match="legs says 9"):
        Reader(["9", "1"]).count("legs", 4)
    with pytest.raises(Malformed, match="1 fields too many"):
        Reader(["1"]).end()
