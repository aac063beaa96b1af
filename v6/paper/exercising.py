"""exerciseOptions: what the owner of an option wants done with it overnight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from v6.paper import requests as ask
from v6.paper.codec import Malformed
from v6.paper.fields import error
from v6.paper.listing import resolve

if TYPE_CHECKING:
    from v6.paper.session import Session

EXERCISE, LAPSE = 1, 2


def exercise(session: Session, fields: Mapping[str, str]) -> None:
    """Take an instruction for the night; refused with 322, taken with 399, which is a notice and ends nothing.

    What a real gateway sends on success is not documented; the notice is ours.
    """
    gateway, number = session.gateway, ask.integer("reqId", fields["reqId"])
    action, quantity = (ask.integer(name, fields[name]) for name in ("exerciseAction", "exerciseQuantity"))
    if action not in (EXERCISE, LAPSE):
        raise Malformed(f"exercise action {action}")
    if fields["account"] not in ("", gateway.account):
        text = f"Error validating request.-'bD' : cause - Invalid account code '{fields['account']}'"
        session.send(error(number, 321, text))
        return
    now = gateway.clock.now()
    option = resolve(gateway.market, ask.contract_of({**fields, "primaryExchange": ""}), now)
    override = fields["override"] in ("1", "True")
    reason = gateway.nights.exercise(option, quantity, lapse=action == LAPSE, override=override, now=now)
    if reason is not None:
        session.send(error(number, 322, f"Error processing request.-'bS' : cause - {reason}"))
        return
    act = "let lapse" if action == LAPSE else "exercise"
    session.send(
        error(number, 399, f"Order Message:\nThe instruction to {act} {quantity} {option} is kept for the night.")
    )


ANSWERS: Final[dict[int, Callable[[Session, Mapping[str, str]], None]]] = {21: exercise}
