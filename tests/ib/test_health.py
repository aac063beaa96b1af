"""What each notice of the broker does to the state of the link, without a link."""

from datetime import UTC, datetime, timedelta

import pytest

from v6.ib.health import Health, LinkState, News, heard, new_port, ticked

NOW = datetime(2015, 3, 2, 15, 0, tzinfo=UTC)
UP = Health(connected=True, synced=True)


def after(*notices: tuple[int, str], start: Health = UP) -> tuple[Health, list[News | None]]:
    health, told = start, []
    for code, text in notices:
        health, news = heard(health, code, text, NOW)
        told.append(news)
    return health, told


def test_a_connection_goes_from_down_over_syncing_to_healthy() -> None:
    states = [health.state for health in (Health(), Health(connected=True), UP)]
    assert states == [LinkState.DOWN, LinkState.SYNCING, LinkState.HEALTHY]
    assert UP.reasons == ()
    assert Health().reasons


@pytest.mark.parametrize("lost", [1100, 2110])
@pytest.mark.parametrize("back", [1101, 1102])
def test_lost_servers_break_the_link_until_they_are_back(lost: int, back: int) -> None:
    health, told = after((lost, "lost"), (lost, "lost"))
    assert (health.state, told) == (LinkState.BROKEN, [News.LOST, None])
    health, told = after((back, "Connectivity has been restored"), start=health)
    assert (health.state, told) == (LinkState.HEALTHY, [News.RESTORED])


def test_servers_lost_while_synchronising_leave_the_link_broken() -> None:
    health, _ = after((1100, "lost"), start=Health(connected=True))
    assert health.state is LinkState.BROKEN


@pytest.mark.parametrize(("broken", "sound"), [(2103, 2104), (2105, 2106), (2157, 2158), (2105, 2107), (2103, 2108)])
def test_a_broken_farm_degrades_the_link_until_that_farm_is_sound(broken: int, sound: int) -> None:
    health, _ = after((broken, "is broken:usopt"), (broken, "is broken:eufarm"), (sound, "is OK:usopt"))
    assert health.state is LinkState.DEGRADED
    assert [name for _, name in health.farms] == ["eufarm"]
    health, _ = after((sound, "is OK:eufarm"), start=health)
    assert health.state is LinkState.HEALTHY


def test_lines_are_read_anew_only_for_a_market_data_farm_that_was_broken() -> None:
    assert after((2104, "is OK:usopt"))[1] == [None]
    assert after((2103, "is broken:usopt"), (2104, "is OK:usopt"))[1] == [News.FARM_BROKEN, News.RESTORED]
    assert after((2105, "is broken:ushmds"), (2106, "is OK:ushmds"))[1] == [News.FARM_BROKEN, None]


@pytest.mark.parametrize("code", [2107, 2108, 2119])
def test_an_idle_farm_is_no_trouble(code: int) -> None:
    assert after((code, "is inactive but should be available upon demand:ushmds")) == (UP, [None])


def test_a_restored_link_keeps_the_farms_that_the_notice_names_as_missing() -> None:
    text = "Restored. The following farms are connected: usopt. The following farms are not connected: eu; jp."
    health, _ = after((1100, ""), (1102, text))
    assert health.state is LinkState.DEGRADED
    assert {name for _, name in health.farms} == {"eu", "jp"}


def test_a_competing_session_takes_the_data_until_ticks_come_again() -> None:
    health, told = after(*[(10197, "No market data during competing live session")] * 12)
    assert (health.state, told) == (LinkState.DEGRADED, [News.COMPETING] + [None] * 11)
    assert "session" in health.reasons[0]
    assert ticked(health, NOW + timedelta(seconds=1)).state is LinkState.DEGRADED, "a tick that was on its way"
    assert ticked(health, NOW + timedelta(seconds=6)).state is LinkState.HEALTHY


def test_the_new_port_is_read_from_the_notice() -> None:
    text = "TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port - {}"
    assert after((1300, text.format(7498)))[1] == [News.PORT_RESET]
    assert new_port(text.format(7498)) == 7498
    assert new_port(text.format("'4002'.")) == 4002
    assert new_port("no port at all") is None
