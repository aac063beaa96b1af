"""What the broker does not allow is told once and asked for no more."""

from tests.execution.fakes import NOON, open_intent
from v6.daemon.permissions import Permissions
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.order import OrderState

INTENT = open_intent()
SENT = (e.OrderIntended(NOON, INTENT), e.OrderSending(NOON, INTENT.order_ref, 7))
READ_ONLY = "Error validating request.-'b5' : cause - The API interface is currently in Read-Only mode."


def listening(*events: e.Event) -> tuple[Permissions, list[str]]:
    found: list[str] = []
    return Permissions(Ledger(events), lambda code, _: found.append(code)), found


def test_error_203_refuses_the_trading_class_of_its_order_for_good() -> None:
    permissions, found = listening(*SENT, e.OrderEnded(NOON, INTENT.order_ref, OrderState.REJECTED))
    for _ in range(2):
        permissions.heard(7, 203, "not allowed for this account")
    assert found == ["class-not-allowed"]
    assert permissions.refused("SPXW") == "not allowed for this account"
    assert permissions.refused("SPX") is None
    assert list(permissions.reasons()) == [], "other classes may be opened"


def test_error_203_about_an_order_of_somebody_else_refuses_nothing() -> None:
    permissions, found = listening(*SENT)
    permissions.heard(8, 203, "not allowed")
    permissions.heard(-1, 203, "not allowed")
    permissions.heard(7, 201, "rejected")
    assert (found, permissions.refused("SPXW")) == ([], None)


def test_a_read_only_api_is_told_apart_from_other_mistakes_and_halts() -> None:
    permissions, found = listening()
    permissions.heard(7, 321, "Error validating request.-'bX' : cause - Invalid account code")
    assert (found, list(permissions.reasons())) == ([], [])
    for _ in range(2):
        permissions.heard(7, 321, READ_ONLY)
    assert found == ["api-read-only"]
    assert list(permissions.reasons()) == ["the API of the gateway is read-only"]


def test_a_new_connection_that_says_nothing_of_it_is_not_read_only() -> None:
    permissions, found = listening()
    permissions.heard(-1, 321, READ_ONLY)
    permissions.connecting()
    permissions.heard(-1, 321, READ_ONLY)
    permissions.connected()
    assert list(permissions.reasons()) != [], "this connection said it again"
    permissions.connecting()
    permissions.connected()
    assert list(permissions.reasons()) == []
    assert found == ["api-read-only"]
