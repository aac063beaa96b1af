"""All scenarios in the order of the table."""

from tests.conformance.order_scenarios import ORDERS
from tests.conformance.scenarios import ACCOUNTS, CONTRACTS, HISTORY, LINES, OTHERS, Scenario

ALL: tuple[Scenario, ...] = (*CONTRACTS, *LINES, *HISTORY, *ORDERS, *ACCOUNTS, *OTHERS)
