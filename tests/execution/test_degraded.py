"""What may be sent over a link without market data: nothing that opens, and everything that closes."""

from tests.execution.fakes import Station, close_intent, open_intent, opened, play, report, state_of
from v6.model.order import OrderState
from v6.ports import BrokerStatus


def test_without_market_data_nothing_opens_and_what_is_held_can_be_closed() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        station.broker.degraded = True
        station.submit(open_intent("open2"))
        station.submit(close_intent())
        station.broker.say(report(close_intent(), BrokerStatus.WORKING))

    station = play(story)
    assert state_of(station, "v6-open2") is OrderState.NOT_SENT
    assert [ticket.order_ref for ticket in station.broker.placed] == ["v6-open1", "v6-close1"]
    assert station.broker.repriced == [], "a limit is only changed on a healthy link"


def test_a_working_entry_is_cancelled_over_a_link_without_market_data() -> None:
    async def story(station: Station) -> None:
        station.submit(open_intent())
        station.broker.say(report(open_intent(), BrokerStatus.WORKING))
        station.broker.degraded = True
        station.executor.cancel(station.ledger.orders["v6-open1"])

    assert play(story).broker.cancelled
