from dataclasses import replace

from tests.paper.flat import FAR, LONG_CALL, LONG_PUT, SHORT_CALL, SHORT_PUT, SPX
from v6.ib.registry import Rank, StrategyRegistry
from v6.model.contract import Contract

VIX = replace(SPX, con_id=3, symbol="VIX")
CONDOR = (LONG_PUT, SHORT_PUT, SHORT_CALL, LONG_CALL)


def legs(first: int) -> list[Contract]:
    return [replace(leg, con_id=first + n) for n, leg in enumerate(CONDOR)]


def ids(contracts: tuple[Contract, ...]) -> list[int]:
    return [contract.con_id for contract in contracts]


def test_a_desk_with_two_condors_streams_ten_lines() -> None:
    registry = StrategyRegistry()
    registry.claim("underlyings", Rank.UNDERLYING, [SPX, VIX])
    registry.claim("one", Rank.HELD, legs(100))
    registry.claim("two", Rank.HELD, legs(200))
    plan = registry.plan(80)
    assert (len(plan.streamed), plan.queued) == (10, ())


def test_when_lines_are_short_underlyings_stay_then_positions_then_candidates() -> None:
    registry = StrategyRegistry()
    registry.claim("looks at", Rank.CANDIDATE, [FAR])
    registry.claim("holds", Rank.HELD, legs(100))
    registry.claim("underlyings", Rank.UNDERLYING, [SPX])
    plan = registry.plan(3)
    assert (ids(plan.streamed), ids(plan.queued)) == ([1, 100, 101], [102, 103, 14])


def test_a_contract_that_two_owners_need_takes_one_line() -> None:
    registry = StrategyRegistry()
    registry.claim("one", Rank.HELD, [LONG_PUT, SHORT_PUT])
    registry.claim("two", Rank.HELD, [SHORT_PUT, FAR])
    assert ids(registry.plan(80).streamed) == [10, 11, 14]
    registry.claim("one", Rank.HELD, [])
    assert ids(registry.plan(80).streamed) == [11, 14]


def test_no_lines_at_all_queue_everything() -> None:
    registry = StrategyRegistry()
    registry.claim("one", Rank.HELD, [LONG_PUT])
    assert ids(registry.plan(-1).queued) == [10]
