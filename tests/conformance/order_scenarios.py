"""Orders through both clients: from the first status to the last fill, in the groups that ib_async's examples use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.conformance.scenarios import CONDOR, INDEX, PUT, UNKNOWN, Scenario, asking, option, thing
from tests.conformance.voices import Thing, Voice

LONG = option(conId=10)


def order(action: str, kind: str, quantity: int, **terms: Any) -> Thing:
    return thing("Order", action=action, orderType=kind, totalQuantity=quantity, tif=terms.pop("tif", "DAY"), **terms)


def limit(action: str, price: float, quantity: int = 1, **terms: Any) -> Thing:
    return order(action, "LMT", quantity, lmtPrice=price, **terms)


def stop(action: str, price: float, **terms: Any) -> Thing:
    return order(action, "STP", 1, auxPrice=price, **terms)


Told = tuple[str, ...]
WORKING: Told = ("openOrder", "orderStatus")
FILLED: Told = ("execDetails", "openOrder", "orderStatus", "commissionReport")
RESTING = ("placeOrder", 1, PUT, limit("BUY", 1.0))
FILLING = ("placeOrder", 1, PUT, limit("BUY", 2.3))


def statuses(voice: Voice, order_id: int) -> list[str]:
    """Return the statuses of an order without repetitions."""
    told = [h.fields[1] for h in voice.since() if h.name == "orderStatus" and h.fields[0] == str(order_id)]
    return [s for i, s in enumerate(told) if not i or told[i - 1] != s]


def after(*before: tuple[Any, ...], wait: Told, then: tuple[Any, ...]) -> Callable[[Voice], Awaitable[None]]:
    """Return a scenario that lets earlier requests come to their end first."""

    async def run(voice: Voice) -> None:
        for name, *arguments in before:
            voice.say(name, *arguments)
        await voice.until(*wait)
        await voice.fence()
        voice.begin()
        name, *arguments = then
        if name == "cancelOrder":
            voice.cancel_order(*arguments)
        elif name == "reqGlobalCancel":
            voice.cancel_all()
        else:
            voice.say(name, *arguments)

    return run


async def cancel_unknown(voice: Voice) -> None:
    voice.cancel_order(99)


async def bracket(voice: Voice) -> None:
    """The three orders of `IB.bracketOrder`: the last one transmits them all."""
    voice.say("placeOrder", 1, PUT, limit("BUY", 1.5, transmit=False))
    voice.say("placeOrder", 2, PUT, limit("SELL", 2.9, parentId=1, transmit=False))
    await asyncio.sleep(0.5)
    await voice.fence()
    assert voice.since()[:-1] == [], "an order that does not transmit is not told of"
    voice.say("placeOrder", 3, PUT, stop("SELL", 0.5, parentId=1))
    await voice.until("orderStatus", times=3)
    assert [statuses(voice, n)[-1] for n in (1, 2, 3)] == ["Submitted", "PreSubmitted", "PreSubmitted"]
    voice.market.quotes[11] = (1.3, 1.5)
    await voice.until("commissionReport")
    await voice.until("orderStatus", times=6)
    await voice.fence()


def bracket_told(voice: Voice) -> None:
    assert statuses(voice, 1) == ["Submitted", "Filled"]
    assert statuses(voice, 2) == ["PreSubmitted", "Submitted"]
    assert statuses(voice, 3) == ["PreSubmitted"], "a stop stays pre-submitted until it is triggered"
    held = [h.fields[9] for h in voice.since() if h.name == "orderStatus" and h.fields[0] == "3"]
    assert (held[0], held[-1]) == ("child,trigger", "trigger")
    groups = {h.fields[18] for h in voice.since() if h.name == "openOrder" and h.fields[0] in ("2", "3")}
    parents = {h.fields[5] for h in voice.since() if h.name == "orderStatus" and h.fields[0] == "1"}
    assert groups == parents, "the children exclude each other in a group that is named after their parent's permId"


async def cancelled_bracket(voice: Voice) -> None:
    voice.say("placeOrder", 1, PUT, limit("BUY", 1.0, transmit=False))
    voice.say("placeOrder", 2, PUT, limit("SELL", 2.9, parentId=1))
    await voice.until("orderStatus", times=2)
    voice.begin()
    voice.cancel_order(1)
    await voice.until("error 202", times=2)


def both_cancelled(voice: Voice) -> None:
    assert (statuses(voice, 1), statuses(voice, 2)) == (["Cancelled"], ["Cancelled"])


async def oca(voice: Voice) -> None:
    """One of a group fills, the other is cancelled for it."""
    voice.say("placeOrder", 1, PUT, limit("BUY", 1.5, ocaGroup="either", ocaType=1))
    voice.say("placeOrder", 2, LONG, limit("BUY", 0.5, ocaGroup="either", ocaType=1))
    await voice.until("orderStatus", times=2)
    voice.market.quotes[11] = (1.3, 1.5)
    await voice.until("commissionReport", "error 202")


def one_of_two(voice: Voice) -> None:
    assert (statuses(voice, 1)[-1], statuses(voice, 2)[-1]) == ("Filled", "Cancelled")


async def modified(voice: Voice) -> None:
    voice.say("placeOrder", 1, PUT, limit("BUY", 1.0))
    await voice.until("orderStatus")
    voice.say("placeOrder", 1, PUT, limit("BUY", 2.3))
    await voice.until("commissionReport")


def modified_told(voice: Voice) -> None:
    assert statuses(voice, 1) == ["Submitted", "Filled"]
    (report,) = [h for h in voice.since() if h.name == "execDetails"]
    assert report.fields[19] == "2.3"


def margin_told(voice: Voice) -> None:
    """One openOrder, no status, with what the order would do to the account."""
    (told,) = voice.called("openOrder")
    state = told[3]
    before, change, left = (float(getattr(state, f"initMargin{x}")) for x in ("Before", "Change", "After"))
    assert (before, left) == (0, before + change)
    assert left > 0
    fee = getattr(state, "commissionAndFees", None)
    assert float(state.commission if fee is None else fee) > 0


def legs_told(voice: Voice) -> None:
    """A combo's fill is a summary and one execution for each leg; only legs are charged."""
    kinds = [arguments[1].secType for arguments in voice.called("execDetails")]
    assert kinds == ["BAG", "OPT", "OPT", "OPT", "OPT"]
    assert len([h for h in voice.since() if h.name == "commissionReport"]) == 4


def refused(title: str, code: int, contract: Thing, wish: Thing) -> Scenario:
    return Scenario("placeOrder", title, asking("placeOrder", 1, contract, wish), codes=(code,))


def only_mine(voice: Voice) -> None:
    assert {h.fields[0] for h in voice.since() if h.name == "openOrder"} == {"1"}


PLACING = (
    Scenario("placeOrder", "a limit that fills", asking(*FILLING), FILLED),
    Scenario("placeOrder", "a limit that rests", asking(*RESTING), WORKING),
    Scenario("placeOrder", "a market order", asking("placeOrder", 1, PUT, order("BUY", "MKT", 1)), FILLED),
    Scenario("placeOrder", "a stop", asking("placeOrder", 1, PUT, stop("BUY", 3.0)), WORKING),
    Scenario("placeOrder", "a stop limit", asking("placeOrder", 1, PUT, order(
        "BUY", "STP LMT", 1, lmtPrice=3.1, auxPrice=3.0)), WORKING),
    Scenario("placeOrder", "a combo with a negative net price", asking("placeOrder", 1, CONDOR, limit("BUY", -2.0)),
             FILLED, check=legs_told),
    Scenario("placeOrder", "a change of the price", modified, FILLED, check=modified_told),
    Scenario("placeOrder", "a bracket", bracket, FILLED, check=bracket_told),
    Scenario("placeOrder", "one cancels the other", oca, FILLED, codes=(202,), check=one_of_two),
    Scenario("placeOrder", "what if, for an option",
             asking("placeOrder", 1, PUT, limit("SELL", 2.0, whatIf=True)), ("openOrder",), check=margin_told),
    Scenario("placeOrder", "what if, for a combo",
             asking("placeOrder", 1, CONDOR, limit("BUY", -2.0, whatIf=True)), ("openOrder",), check=margin_told),
    refused("a price between the ticks", 110, PUT, limit("BUY", 2.31)),
    refused("no size", 434, PUT, limit("BUY", 2.3, 0)),
    refused("more than the account can carry", 201, PUT, limit("SELL", 2.0, 100)),
    refused("another order type", 387, PUT, order("BUY", "MIDPRICE", 1)),
    refused("a contract that does not exist", 200, UNKNOWN, limit("BUY", 2.3)),
    refused("an index, which nobody can buy", 201, INDEX, limit("BUY", 2100.0)),
    refused("for somebody else's account", 321, PUT, limit("BUY", 2.3, account="U7654321")),
    refused("a child whose parent is unknown", 135, PUT, limit("BUY", 2.3, parentId=77)),
    Scenario("placeOrder", "an id that was used before",
             after(FILLING, wait=FILLED, then=("placeOrder", 1, LONG, limit("BUY", 1.0))), codes=(103,)),
    Scenario("placeOrder", "a change of an order that is filled",
             after(FILLING, wait=FILLED, then=FILLING), codes=(104,)),
    Scenario("placeOrder", "a change into another contract",
             after(RESTING, wait=WORKING, then=("placeOrder", 1, LONG, limit("BUY", 1.0))), codes=(105,)),
)  # fmt: skip

ENDING = (
    Scenario("cancelOrder", "a working order", after(RESTING, wait=WORKING, then=("cancelOrder", 1)),
             ("orderStatus",), codes=(202,)),
    Scenario("cancelOrder", "the parent of a bracket", cancelled_bracket, ("orderStatus",), codes=(202,),
             check=both_cancelled),
    Scenario("cancelOrder", "an order that does not exist", cancel_unknown, codes=(10147,)),
    Scenario("cancelOrder", "an order that is filled", after(FILLING, wait=FILLED, then=("cancelOrder", 1)),
             codes=(10148,)),
    Scenario("reqGlobalCancel", "every working order", after(RESTING, wait=WORKING, then=("reqGlobalCancel",)),
             ("orderStatus",), codes=(202,)),
)  # fmt: skip

FILTER = thing("ExecutionFilter", symbol="SPX", secType="OPT", side="BUY")
NOBODY = thing("ExecutionFilter", symbol="NDX")

ASKING = (
    Scenario("reqOpenOrders", "of this client", after(RESTING, wait=WORKING, then=("reqOpenOrders",)),
             (*WORKING, "openOrderEnd"), check=only_mine),
    Scenario("reqOpenOrders", "none", asking("reqOpenOrders"), ("openOrderEnd",)),
    Scenario("reqAllOpenOrders", "of every client", after(RESTING, wait=WORKING, then=("reqAllOpenOrders",)),
             (*WORKING, "openOrderEnd")),
    Scenario("reqAutoOpenOrders", "by a client that is not the first", asking("reqAutoOpenOrders", True),
             codes=(327,)),
    Scenario("reqAutoOpenOrders", "by the first client", after(
        RESTING, wait=WORKING, then=("reqAutoOpenOrders", True)), (*WORKING, "openOrderEnd"), client_id=0),
    Scenario("reqCompletedOrders", "of the day", after(FILLING, wait=FILLED, then=("reqCompletedOrders", False)),
             ("completedOrder", "completedOrdersEnd")),
    Scenario("reqExecutions", "that fit a filter", after(FILLING, wait=FILLED, then=("reqExecutions", 5, FILTER)),
             ("execDetails", "commissionReport", "execDetailsEnd")),
    Scenario("reqExecutions", "that nobody made", after(FILLING, wait=FILLED, then=("reqExecutions", 5, NOBODY)),
             ("execDetailsEnd",)),
    Scenario("reqPositions", "after a fill", after(FILLING, wait=FILLED, then=("reqPositions",)),
             ("position", "positionEnd")),
    Scenario("reqPositionsMulti", "after a fill",
             after(FILLING, wait=FILLED, then=("reqPositionsMulti", 5, "DU1234567", "")),
             ("positionMulti", "positionMultiEnd")),
    Scenario("reqAccountUpdates", "after a fill",
             after(FILLING, wait=FILLED, then=("reqAccountUpdates", True, "DU1234567")),
             ("updateAccountValue", "updatePortfolio", "updateAccountTime", "accountDownloadEnd")),
)  # fmt: skip


ORDERS = (*PLACING, *ENDING, *ASKING)
