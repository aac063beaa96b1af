"""Orders beyond the plain ones, shares, and what the owner of an option can do with it, through both clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.conformance.order_scenarios import (
    FILLED,
    LONG,
    WORKING,
    Told,
    limit,
    one_of_two,
    order,
    refused,
    statuses,
)
from tests.conformance.scenarios import PUT, Scenario, asking, thing
from tests.conformance.voices import Thing, Voice

SHARE = thing("Contract", conId=2, symbol="SPY", secType="STK", exchange="SMART", currency="USD")
SHARE_CALL = thing("Contract", conId=20, symbol="SPY", secType="OPT", exchange="SMART", currency="USD")
LATER = "20150310-15:00:00"


def ends_with(*told: str) -> Callable[[Voice], None]:
    """Return a check of the statuses of order 1."""

    def check(voice: Voice) -> None:
        assert statuses(voice, 1) == list(told)

    return check


def place(
    title: str, wish: Thing, answers: Told, *, contract: Thing = PUT, codes: tuple[int, ...] = (),
    check: Callable[[Voice], None] | None = None,
) -> Scenario:  # fmt: skip
    return Scenario("placeOrder", title, asking("placeOrder", 1, contract, wish), answers, codes=codes, check=check)


def in_group(kind: int) -> Callable[[Voice], Awaitable[None]]:
    """Return the scenario of two orders in an OCA group of a type, of which the first fills."""

    async def run(voice: Voice) -> None:
        voice.say("placeOrder", 1, PUT, limit("BUY", 1.5, ocaGroup="either", ocaType=kind))
        voice.say("placeOrder", 2, LONG, limit("BUY", 0.5, ocaGroup="either", ocaType=kind))
        await voice.until("orderStatus", times=2)
        voice.market.quotes[11] = (1.3, 1.5)
        await voice.until("commissionReport", "error 202")

    return run


def trail_told(voice: Voice) -> None:
    """The order echoes how it trails and where its stop is: it would buy at the ask of 2.30."""
    (told,) = [arguments[2] for arguments in voice.called("openOrder")]
    assert (told.orderType, float(told.auxPrice or 0), voice.called("orderStatus")[0][9]) == ("TRAIL", 0.5, "trigger")


def margin_of_shares(voice: Voice) -> None:
    """Half of 100 shares at 210 to begin with, a quarter to keep them."""
    (told,) = voice.called("openOrder")
    state = told[3]
    assert (float(state.initMarginAfter), float(state.maintMarginAfter)) == (10_500, 5250)


def exercising(
    contract: Thing, action: int, quantity: int, *, held: int = 0, override: int = 0
) -> Callable[[Voice], Awaitable[None]]:
    """Return the scenario of an instruction, after so many of the fund's calls were bought."""

    async def run(voice: Voice) -> None:
        if held:
            voice.say("placeOrder", 1, SHARE_CALL, order("BUY", "MKT", held))
            await voice.until("commissionReport")
            await voice.fence()
            voice.begin()
        # The official client of 10.50 takes three more arguments, none of which is written at version 178.
        extra: tuple[Any, ...] = ("", "", False) if "ibapi" in type(voice.client).__mro__[1].__module__ else ()
        voice.say("exerciseOptions", 5, contract, action, quantity, "DU1234567", override, *extra)

    return run


TYPES = (
    place("an IOC that fills", limit("BUY", 2.3, tif="IOC"), FILLED, check=ends_with("Submitted", "Filled")),
    place("an IOC that finds nobody", limit("BUY", 1.0, tif="IOC"), WORKING, codes=(202,),
          check=ends_with("Submitted", "Cancelled")),
    place("a FOK that fills", limit("BUY", 2.3, tif="FOK"), FILLED),
    place("a FOK that finds nobody", limit("BUY", 1.0, tif="FOK"), WORKING, codes=(202,)),
    place("good till a date", limit("BUY", 1.0, tif="GTD", goodTillDate=LATER), WORKING),
    place("good till cancelled", limit("BUY", 1.0, tif="GTC"), WORKING),
    refused("good till no date", 201, PUT, limit("BUY", 1.0, tif="GTD")),
    refused("good till a date that is past", 201, PUT, limit("BUY", 1.0, tif="GTD", goodTillDate="20150301-15:00:00")),
    refused("for the opening", 201, PUT, limit("BUY", 2.3, tif="OPG")),
    place("a stop that trails by an amount", order("BUY", "TRAIL", 1, auxPrice=0.5), WORKING, check=trail_told),
    place("a stop that trails by a percentage", order("BUY", "TRAIL", 1, trailingPercent=20.0), WORKING),
    refused("a stop that trails by nothing", 201, PUT, order("BUY", "TRAIL", 1)),
    refused("at the close, at a limit", 387, PUT, order("BUY", "LOC", 1, lmtPrice=2.3)),
    refused("at the close, at the market", 387, PUT, order("BUY", "MOC", 1)),
    *(Scenario("placeOrder", f"one of an OCA group of type {kind} fills", in_group(kind), FILLED, codes=(202,),
               check=one_of_two) for kind in (1, 2, 3)),
    refused("an OCA type that does not exist", 201, PUT, limit("BUY", 2.3, ocaGroup="g", ocaType=4)),
    place("shares at the market", order("BUY", "MKT", 100), FILLED, contract=SHARE),
    place("shares at a limit", limit("BUY", 209.0, 100), WORKING, contract=SHARE),
    Scenario("placeOrder", "what if, for shares",
             asking("placeOrder", 1, SHARE, order("BUY", "MKT", 100, whatIf=True)), ("openOrder",),
             check=margin_of_shares),
    refused("more shares than the account can carry", 201, SHARE, order("BUY", "MKT", 2000)),
)  # fmt: skip

EXERCISE = (
    Scenario("exerciseOptions", "a European option before its expiry", exercising(PUT, 1, 1), codes=(322,)),
    Scenario("exerciseOptions", "a call in the money", exercising(SHARE_CALL, 1, 1, held=1), codes=(399,)),
    Scenario("exerciseOptions", "a call in the money is let lapse",
             exercising(SHARE_CALL, 2, 1, held=1, override=1), codes=(399,)),
    Scenario("exerciseOptions", "a call in the money is let lapse without override",
             exercising(SHARE_CALL, 2, 1, held=1), codes=(322,)),
    Scenario("exerciseOptions", "more than is held", exercising(SHARE_CALL, 1, 2, held=1), codes=(322,)),
)  # fmt: skip

TRADING = (*TYPES, *EXERCISE)
