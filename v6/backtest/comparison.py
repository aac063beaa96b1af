"""The page about the comparison of two sets of exits."""

from __future__ import annotations

from dataclasses import dataclass

from v6.backtest.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcomes by name, in the order of the page's columns."""

    outcomes: dict[str, Outcome]


def page(comparison: Comparison) -> str:
    """Return the page in Markdown."""
    return "\n".join(comparison.outcomes)
