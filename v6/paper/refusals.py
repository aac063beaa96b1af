"""Requests that the gateway knows and does not serve: the code that a real gateway gives, and why we refuse.

Codes are those of the published message codes and of captures seen in public issues; where TWS would serve the request
(scanners, news, fundamentals), the code is the one a gateway without that subscription answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_VALIDATING: Final = "Error validating request.-'bD' : cause - "
_SERVICE: Final = "Historical Market Data Service error message:"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error code and its text; the error carries the request's id where its layout has one."""

    code: int
    text: str


_FA: Final = Refusal(321, f"{_VALIDATING}FA data operations ignored for non FA customers.")
_GROUPS: Final = Refusal(321, f"{_VALIDATING}Display groups belong to the windows of TWS; a gateway has none.")
_VERIFY: Final = Refusal(321, f"{_VALIDATING}Intent to authenticate needs to be expressed during connect request.")
_NEWS: Final = Refusal(10276, "News feed is not allowed.")

REFUSALS: Final[dict[int, Refusal]] = {
    10: Refusal(10092, "Deep market data is not supported for this combination of security type/exchange"),
    11: Refusal(310, "Can't find the subscribed market depth with tickerId"),
    18: _FA,
    19: _FA,
    22: Refusal(162, f"{_SERVICE}API scanner subscription refused: the simulated market has nothing to scan"),
    23: Refusal(365, "No scanner subscription found for ticker id"),
    52: Refusal(430, "We are sorry, but fundamentals data for the security specified is not available."),
    53: Refusal(300, "Can't find EId with tickerId"),
    65: _VERIFY,
    66: _VERIFY,
    67: _GROUPS,
    68: _GROUPS,
    69: _GROUPS,
    70: _GROUPS,
    72: _VERIFY,
    73: _VERIFY,
    84: Refusal(10172, "Failed to request news article: the simulated market has no news"),
    86: _NEWS,
    88: Refusal(162, f"{_SERVICE}No histogram: the simulated market has no trades to count"),
    89: Refusal(300, "Can't find EId with tickerId"),
    100: _NEWS,
    101: Refusal(10280, "Failed to cancel WSH metadata request: there is none"),
    102: _NEWS,
    103: Refusal(10284, "Failed to cancel WSH event data request: there is none"),
}  # fmt: skip
