"""Every request of the protocol through both clients: answered, or refused with an error code; never left to hang."""

from __future__ import annotations

import pytest

from tests.conformance.catalogue import ALL
from tests.conformance.scenarios import Scenario
from tests.conformance.table import PATH, table
from tests.conformance.voices import THROUGH, Voice
from v6.paper.layouts import REQUEST_NAMES
from v6.paper.requests import REQ_ID_AT

IDS = {name: number for number, name in REQUEST_NAMES.items()}
CASES = [(scenario, client) for scenario in ALL for client in scenario.clients]


@pytest.mark.parametrize(
    ("scenario", "client"), CASES, ids=[f"{s.request}: {s.title} [{client}]" for s, client in CASES]
)
def test_a_request_is_answered_as_the_table_says(scenario: Scenario, client: str) -> None:
    async def story(voice: Voice) -> None:
        await scenario.run(voice)
        if scenario.expected:
            await voice.until(*scenario.expected)
        await voice.fence()

    voice = THROUGH[client](story, scenario.client_id)
    heard = {h.name for h in voice.since()}
    if scenario.request != "reqCurrentTime":
        heard.discard("currentTime")
    # What moves by itself may have moved while the scenario ran.
    assert heard - set(scenario.expected) <= {"tickSize"}
    assert set(scenario.expected) <= heard
    # An error carries the id of what was asked; a request without an id, and its pace, have none to carry.
    has_id = IDS[scenario.request] in REQ_ID_AT
    for number, code in [(int(h.fields[1]), h.fields[2]) for h in voice.since() if h.msg_id == 4]:
        assert number in voice.asked if (has_id or code == "202") and code != "100" else number == -1
    if scenario.check is not None:
        scenario.check(voice)


def test_every_request_of_the_protocol_is_in_a_scenario_with_every_client_that_can_send_it() -> None:
    tried = {(scenario.request, client) for scenario in ALL for client in scenario.clients}
    assert {request for request, _ in tried} == set(REQUEST_NAMES.values())
    # The official client dropped fundamentals, and refuses by itself to send two requests without a special build.
    alone = {request for request, _ in tried if (request, "ibapi") not in tried}
    assert alone == {
        "reqFundamentalData", "cancelFundamentalData", "verifyRequest", "verifyAndAuthRequest"
    }  # fmt: skip


def test_the_table_in_the_docs_is_that_of_the_scenarios() -> None:
    assert PATH.read_text(encoding="utf-8") == table(), "run: python -m tests.conformance.table"
