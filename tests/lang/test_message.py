"""Texts with values in them: what may stand in braces, where a mistake is, and how values are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v6.backends.reference import evaluate
from v6.errors import Span
from v6.lang.message import Alert, Slot, parse_message, render
from v6.model.catalogue import BY_NAME, Value
from v6.model.decision import AlertSeverity

ROW: dict[str, Value] = {"pnl_ratio": -0.456, "dte": 3.0, "structure": "single", "net_liq": 1234567.891, "vix": None}


def shown(text: str, row: dict[str, Value] = ROW) -> str:
    message = parse_message(text, BY_NAME, lambda offset: Span("t", 1, offset + 1))
    assert not isinstance(message, list), [str(d) for d in message]
    return render(message, lambda expr: evaluate(expr, row))


def mistakes(text: str) -> list[str]:
    message = parse_message(text, BY_NAME, lambda offset: Span("t", 1, offset + 1))
    assert isinstance(message, list), message
    return [str(d) for d in message]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("", ""),
        ("lost {pnl_ratio:.0%} of it", "lost -46% of it"),
        ("{pnl_ratio:+.2f}/{-pnl_ratio:+.2f}", "-0.46/+0.46"),
        ("{net_liq:,.0f} usd", "1,234,568 usd"),
        ("{dte} days, {dte * 24:g} hours", "3 days, 72 hours"),
        ("a {structure}", "a single"),
        ("late: {dte < 5}, early: {dte > 5}", "late: yes, early: no"),
        ("VIX {vix}, {vix:.1f}, high: {vix > 30}", "VIX unknown, unknown, high: unknown"),
        ("say {'low'}", "say low"),
        ("{{dte}} is {dte}", "{dte} is 3"),
        ("{{{dte}}}", "{3}"),
        ("{dte}{dte}", "33"),
        ("{ dte }", "3"),
        ("{0 * pnl_ratio}", "0"),
        ("{1 / (dte - 3)}", "unknown"),
    ],
)
def test_a_text_is_written_with_its_values(text: str, wanted: str) -> None:
    assert shown(text) == wanted


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("ab {", ["t:1:4: bad-text"]),
        ("ab }", ["t:1:4: bad-text"]),
        ("{dte", ["t:1:1: bad-text"]),
        ("{}", ["t:1:2: syntax"]),
        ("{:.0%}", ["t:1:2: syntax"]),
        ("{{}", ["t:1:3: bad-text"]),
        ("x {dt} y", ["t:1:4: unknown-name"]),
        ("{dte + structure}", ["t:1:8: type"]),
        ("{dte:d}", ["t:1:5: bad-text"]),
        ("{dte:}", ["t:1:5: bad-text"]),
        ("{dte:.10f}", ["t:1:5: bad-text"]),
        ("{dte:>9999999f}", ["t:1:5: bad-text"]),
        ("{structure:g}", ["t:1:11: bad-text"]),
        ("{dte > 3:g}", ["t:1:9: bad-text"]),
        ("{'high' if vix > 30 else 'low'}", ["t:1:2: type"]),
        ("{dte!r}", ["t:1:5: syntax"]),
        ("{dte.real}", ["t:1:5: syntax"]),
        ("{dt} {dte:d} {", ["t:1:2: unknown-name", "t:1:10: bad-text", "t:1:14: bad-text"]),
    ],
)
def test_each_mistake_has_its_place(text: str, places: list[str]) -> None:
    assert [":".join(line.split(":")[:4]) for line in mistakes(text)] == places


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_written_or_refused(text: str) -> None:
    message = parse_message(text, BY_NAME, lambda offset: Span("t", 1, offset + 1))
    if isinstance(message, list):
        assert all(d.span.column <= len(text) + 1 for d in message)
    elif not any(isinstance(piece, Slot) for piece in message):
        assert render(message, lambda expr: None) == text.replace("{{", "{").replace("}}", "}")


def test_two_alerts_mean_the_same_when_they_say_the_same() -> None:
    def meaning(text: str, severity: AlertSeverity = AlertSeverity.INFO) -> str:
        message = parse_message(text, BY_NAME, lambda offset: Span("t", 1, offset + 1))
        assert not isinstance(message, list)
        return Alert(severity, message).meaning()

    assert meaning("at {pnl_ratio*2:.0%}") == meaning("at { pnl_ratio * 2:.0%}")
    assert meaning("at {pnl_ratio:.0%}") != meaning("at {pnl_ratio:.1%}")
    assert meaning("at {dte}") != meaning("at {dte}", AlertSeverity.CRITICAL)
