"""What the gateway answers about the account: positions, values, summaries, profit and loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from v6.paper import requests as ask
from v6.paper.fields import (
    ACCOUNT_END,
    ACCOUNT_TIME,
    MULTI_END,
    POSITION_END,
    POSITION_MULTI_END,
    SUMMARY_END,
    error,
)
from v6.pricing.calendar import NEW_YORK

if TYPE_CHECKING:
    from v6.paper.session import Session

Fields = Mapping[str, str]
MOST_SUMMARIES: Final = 2
"""Account summaries that one client may follow at a time."""


def whole(fields: Fields, name: str) -> int:
    """Return an integer field; empty is 0."""
    return ask.integer(name, fields[name])


def _foreign(session: Session, fields: Fields) -> bool:
    """Tell whether a request names an account that is not ours, after answering so; empty and `All` are ours."""
    named = fields["account"]
    if named in ("", "All", session.gateway.account):
        return False
    number = whole(fields, "reqId") if "reqId" in fields else -1
    session.send(error(number, 321, f"Error validating request.-'bH' : cause - Invalid account code '{named}'"))
    return True


def positions(session: Session, fields: Fields) -> None:
    session.wants_positions = True
    figures = session.gateway.figures()
    session.send(figures.positions(figures.ledger.holdings.values()) + POSITION_END.encode())


def cancel_positions(session: Session, fields: Fields) -> None:
    session.wants_positions = False


def account_updates(session: Session, fields: Fields) -> None:
    if _foreign(session, fields):
        return
    session.wants_account = fields["subscribe"] in ("1", "True")
    if not session.wants_account:
        return
    figures = session.gateway.figures()
    now = session.gateway.clock.now().astimezone(NEW_YORK)
    session.send(
        figures.account_values(figures.values())
        + figures.portfolio()
        + ACCOUNT_TIME.encode(f"{now:%H:%M}")
        + ACCOUNT_END.encode(session.gateway.account)
    )


def account_multi(session: Session, fields: Fields) -> None:
    if _foreign(session, fields):
        return
    number = whole(fields, "reqId")
    session.multis[number] = fields["modelCode"]
    figures = session.gateway.figures()
    session.send(figures.multi(number, fields["modelCode"], figures.values()) + MULTI_END.encode(number))


def account_summary(session: Session, fields: Fields) -> None:
    number = whole(fields, "reqId")
    if number not in session.summaries and len(session.summaries) >= MOST_SUMMARIES:
        text = "Error processing request.-'bX' : cause - Maximum number of account summary requests exceeded"
        session.send(error(number, 322, text))
        return
    session.summaries[number] = fields["tags"]
    figures = session.gateway.figures()
    session.send(figures.summary(number, fields["tags"], figures.values()) + SUMMARY_END.encode(number))


def pnl(session: Session, fields: Fields) -> None:
    if _foreign(session, fields):
        return
    session.pnls.append(whole(fields, "reqId"))
    session.send(session.gateway.figures().pnl(session.pnls[-1]))


def pnl_single(session: Session, fields: Fields) -> None:
    if _foreign(session, fields):
        return
    number, con_id = whole(fields, "reqId"), whole(fields, "conId")
    session.pnl_singles[number] = con_id
    session.send(session.gateway.figures().pnl_single(number, con_id))


def cancel_pnl(session: Session, fields: Fields) -> None:
    number = whole(fields, "reqId")
    session.pnls = [n for n in session.pnls if n != number]


def cancel_pnl_single(session: Session, fields: Fields) -> None:
    session.pnl_singles.pop(whole(fields, "reqId"), None)


def cancel_multi(session: Session, fields: Fields) -> None:
    session.multis.pop(whole(fields, "reqId"), None)


def cancel_summary(session: Session, fields: Fields) -> None:
    session.summaries.pop(whole(fields, "reqId"), None)


def positions_multi(session: Session, fields: Fields) -> None:
    """Send all positions once; the model of an account without models is empty."""
    if _foreign(session, fields):
        return
    number, figures = whole(fields, "reqId"), session.gateway.figures()
    held = figures.ledger.holdings.values()
    session.send(figures.positions_multi(number, fields["modelCode"], held) + POSITION_MULTI_END.encode(number))


def cancel_positions_multi(session: Session, fields: Fields) -> None:
    """Accept; changes are only told to reqPositions."""


ANSWERS: Final[dict[int, Callable[[Session, Fields], None]]] = {
    6: account_updates, 61: positions, 62: account_summary, 63: cancel_summary, 64: cancel_positions,
    74: positions_multi, 75: cancel_positions_multi, 76: account_multi, 77: cancel_multi, 92: pnl, 93: cancel_pnl,
    94: pnl_single, 95: cancel_pnl_single,
}  # fmt: skip
