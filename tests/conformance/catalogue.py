"""All scenarios in the order of the table."""

from tests.conformance.order_scenarios import ORDERS
from tests.conformance.scenarios import ACCOUNTS, CONTRACTS, HISTORY, LINES, OTHERS, Scenario
from tests.conformance.trading_scenarios import TRADING

ALL: tuple[Scenario, ...] = (*CONTRACTS, *LINES, *HISTORY, *ORDERS, *TRADING, *ACCOUNTS, *OTHERS)
