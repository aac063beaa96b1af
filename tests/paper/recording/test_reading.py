"""Orders with every optional block: what ib_async decodes to the end, our reader reads to the end."""

from collections.abc import Sequence
from typing import Any

import pytest
from ib_async.decoder import Decoder

from v6.paper.codec import Malformed
from v6.paper.fields import (
    COMPLETED_CLEARING,
    COMPLETED_HEAD,
    COMPLETED_STATE,
    OPEN_CLEARING,
    OPEN_HEAD,
    OPEN_SCALE,
    OPEN_STATE,
)
from v6.paper.recording.reading import completed_order, contract_details, open_order

PRICE_CONDITION = ("1", "a", "1", "2200.0", "416904", "CBOE", "2")
VALUES = {"orderType": "LMT", "action": "BUY", "secType": "OPT", "totalQuantity": "1", "deltaNeutralOrderType": ""}


class Heard:
    """Stands in for ib_async's wrapper and keeps what the decoder makes of a message."""

    def __init__(self) -> None:
        self.order: Any = None

    def openOrder(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        self.order = order

    def completedOrder(self, contract: Any, order: Any, state: Any) -> None:
        self.order = order


def stretch(names: Sequence[str], values: dict[str, str], blocks: dict[str, Sequence[str]]) -> list[str]:
    """Return the words of some fields, each followed by the block that its value brings with it."""
    out: list[str] = []
    for name in names:
        if name in DELTA_BLOCK and not values["deltaNeutralOrderType"]:
            continue
        out.append(values.get(name, ""))
        out += blocks.get(name, ())
    return out


DELTA_BLOCK = {name for name in OPEN_HEAD if name.startswith("deltaNeutral")} - {
    "deltaNeutralOrderType",
    "deltaNeutralAuxPrice",
}


def message(kind: int, values: dict[str, str], blocks: dict[str, Sequence[str]]) -> list[str]:
    head, clearing, state = (
        (OPEN_HEAD, OPEN_CLEARING, OPEN_STATE) if kind == 5 else (COMPLETED_HEAD, COMPLETED_CLEARING, COMPLETED_STATE)
    )
    legs = ["1", "5", "1", "BUY", "SMART", "0", "0", "", "-1", "1", "2.5", "1", "NonGuaranteed", "1"]
    stretches = [stretch(row, values, blocks) for row in (OPEN_SCALE, clearing, state)]
    return [str(kind), *stretch(head, values, blocks), *legs, *(word for row in stretches for word in row)]


CASES: dict[str, tuple[dict[str, str], dict[str, Sequence[str]]]] = {
    "plain": ({}, {}),
    "delta neutral": ({"deltaNeutralOrderType": "None"}, {}),
    "scale": ({"scalePriceIncrement": "0.5"}, {"scalePriceIncrement": "1234567"}),
    "hedge": ({"hedgeType": "D"}, {"hedgeType": ("0.5",)}),
    "delta neutral contract": ({"deltaNeutralPresent": "1"}, {"deltaNeutralPresent": ("7", "0.5", "100")}),
    "algo": ({"algoStrategy": "Adaptive"}, {"algoStrategy": ("1", "adaptivePriority", "Normal")}),
    "conditions": ({"conditionCount": "1"}, {"conditionCount": (*PRICE_CONDITION, "1", "0")}),
    "pegged": ({"orderType": "PEG BENCH"}, {"randomizePrice": ("7", "0", "0.1", "0.2", "CBOE")}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("kind", "read"), [(5, open_order), (101, completed_order)])
def test_an_order_with_an_optional_block_is_read_to_its_end(kind: int, read: Any, case: str) -> None:
    values, blocks = CASES[case]
    last = {"midOffsetAtHalf": "0.125", "conditionCount": "0", "deltaNeutralPresent": "0"}
    fields = message(kind, {**VALUES, **last, **values}, blocks)
    heard = Heard()
    Decoder(heard, 178).interpret(fields)  # type: ignore[arg-type]
    assert heard.order is not None
    assert heard.order.midOffsetAtHalf == 0.125, "ib_async sees the last field where we put it"
    read(fields)
    for wrong in ([*fields, ""], fields[:-1]):
        with pytest.raises(Malformed):
            read(wrong)


def test_contract_details_with_secondary_ids_are_read_to_their_end() -> None:
    fields = ["10", *[""] * 39]
    contract_details(fields)
    at = 30
    assert len(fields) == 40
    with_ids = [*fields[:at], "1", "ISIN", "US000", *fields[at + 1 :]]
    contract_details(with_ids)
    with pytest.raises(Malformed):
        contract_details([*with_ids, ""])
