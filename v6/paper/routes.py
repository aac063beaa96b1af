"""Every request of the protocol at version 178, and who answers it; nothing that a client can ask goes unanswered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from v6.paper import accounting, answers, calculator, exercising, history, lookups, subscriptions
from v6.paper.fields import error
from v6.paper.layouts import MORE_TABLES, REQUEST_NAMES
from v6.paper.refusals import REFUSALS
from v6.paper.requests import TABLES, parse, req_id

if TYPE_CHECKING:
    from v6.paper.session import Session

START_API: Final = 71
LAYOUTS: Final[Mapping[int, tuple[str, ...]]] = {**TABLES, **MORE_TABLES}

RAW: Final[Mapping[int, Callable[[Session, Sequence[str]], None]]] = {
    **answers.RAW_ANSWERS,
    **calculator.RAW_ANSWERS,
    **history.RAW_ANSWERS,
}
"""Requests of variable length, which read their own fields."""

FIXED: Final[Mapping[int, Callable[[Session, Mapping[str, str]], None]]] = {
    **answers.ANSWERS,
    **accounting.ANSWERS,
    **calculator.ANSWERS,
    **exercising.ANSWERS,
    **history.ANSWERS,
    **lookups.ANSWERS,
    **subscriptions.ANSWERS,
}

_COVERED = [*RAW, *FIXED, *REFUSALS, START_API]
assert sorted(_COVERED) == sorted(REQUEST_NAMES), "each request has exactly one answer"
assert set(FIXED) <= set(LAYOUTS), "each request of fixed length has a layout"


def answer(session: Session, msg_id: int, fields: Sequence[str]) -> None:
    """Answer one request; raises Malformed and other V6Errors, which the session tells the client."""
    if msg_id in RAW:
        RAW[msg_id](session, fields)
    elif msg_id in FIXED:
        FIXED[msg_id](session, parse(msg_id, fields, LAYOUTS))
    elif msg_id in REFUSALS:
        refusal = REFUSALS[msg_id]
        session.send(error(req_id(fields), refusal.code, refusal.text))
    elif msg_id == START_API:
        session.send(error(-1, 321, "Error validating request.-'ck' : cause - The API has been started already"))
    else:
        text = f"Error reading request: the paper gateway does not know request {msg_id}"
        session.send(error(req_id(fields), 320, text))
