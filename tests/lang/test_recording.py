"""recording.yaml: what a desk may ask to be recorded, and where a mistake in it stands."""

from __future__ import annotations

import pytest

from v6.lang.recording import read_recording
from v6.model.contract import SecType
from v6.model.recording import Band, RecordingPlan, Watched

TEXT = """\
version: 1
every_s: 1800
watched:
  - {symbol: SPX, sec_type: IND, exchange: CBOE}
  - {symbol: ES, sec_type: FUT, exchange: CME}
chains:
  - {symbol: SPX, trading_class: SPXW, dte_min: 20, dte_max: 60, strikes: 0.1}
"""


def test_the_file_says_what_is_recorded_and_how_often() -> None:
    plan, diagnostics = read_recording(TEXT)
    assert diagnostics == []
    watched = (Watched("SPX", SecType.INDEX, "CBOE"), Watched("ES", SecType.FUTURE, "CME"))
    assert plan == RecordingPlan(1800, watched, (Band("SPX", "SPXW", 20, 60, 0.1),))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("every_s: 1800", "every_s: 5", "recording.yaml:2:10: out-of-range: `every_s` must be at least 60, not 5"),
        ("IND", "INX", "recording.yaml:4:29: bad-value: `sec_type` cannot be INX (did you mean `IND`?)"),
        ("strikes: 0.1", "strike: 0.1", "recording.yaml:7:5: missing-key: `strikes` is missing in `chains`"),
        (
            "{symbol: SPX, trading",
            "{symbol: SPY, trading",
            "recording.yaml:7:14: bad-value: the underlying SPY is not in `watched`, so no strikes can be chosen"
            " (did you mean `SPX`?)",
        ),
        (
            "{symbol: SPX, trading",
            "{symbol: ES, trading",  # a future has no chain here, watched or not
            "recording.yaml:7:14: bad-value: the underlying ES is not in `watched`, so no strikes can be chosen"
            " (add ES to `watched` as IND or STK)",
        ),
        (
            "dte_min: 20",
            "dte_min: 61",
            "recording.yaml:7:49: bad-value: `dte_min` 61 is above `dte_max` 60, so no expiry is between them"
            " (swap them)",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_do(right: str, wrong: str, said: str) -> None:
    assert right in TEXT
    plan, diagnostics = read_recording(TEXT.replace(right, wrong, 1))
    assert plan is None
    assert str(diagnostics[0]) == said


def test_every_mistake_of_every_chain_is_told_in_the_order_of_the_file() -> None:
    more = "  - {symbol: QQQ, trading_class: QQQ, dte_min: 9, dte_max: 3, strikes: 0.1}\n"
    turned = "  - {dte_min: 9, dte_max: 3, symbol: QQQ, trading_class: QQQ, strikes: 0.1}\n"
    _, diagnostics = read_recording(TEXT + more + turned)
    assert [(d.span.line, d.span.column) for d in diagnostics] == [(8, 14), (8, 48), (9, 15), (9, 38)]
