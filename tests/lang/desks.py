"""A small desk as texts, for tests that change one thing in it."""

from __future__ import annotations

from collections.abc import Mapping

RULE = """\
version: 1
id: take_profit
priority: 50
scope: position
title: Take half
params:
  target: {value: 0.5, unit: ratio, min: 0.1, max: 2}
when: pnl_ratio >= target
then: {action: close}
examples:
  - {given: {pnl_ratio: 0.6}, fires: true}
  - {given: {pnl_ratio: 0.4}, fires: false}
"""
LIMITS = """\
version: 1
max_open_positions: 5
max_contracts_per_order: 10
max_loss_per_order_ratio: 0.03
max_total_loss_ratio: 0.20
max_margin_ratio: 0.5
max_new_orders_per_day: 20
max_day_loss_ratio: 0.02
min_minutes_to_close: 2
"""
STRATEGY = """\
version: 1
id: iron_condor
title: Condor
underlying: {symbol: SPX, sec_type: IND, exchange: CBOE, trading_class: SPXW, multiplier: 100}
structure: iron_condor
expiry: {dte_min: 35, dte_max: 55, dte_target: 45}
strikes: {short_delta: 0.16, width: 50}
entry: {when: vix < 35, min_days_between: 7, min_credit_ratio: 0.1}
size: {risk_ratio: 0.02, max_contracts: 5}
price: {urgency: normal}
"""


def desk(rule: str = RULE, *more: str, strategy: str = STRATEGY, limits: str = LIMITS) -> dict[str, str]:
    """Return the files of a desk with these rules, named a.yaml, b.yaml and so on."""
    names = [f"{chr(ord('a') + i)}.yaml" for i in range(1 + len(more))]
    bundle = f"version: 1\nrules: [{', '.join(names)}]\nstrategies: [s.yaml]\n"
    rules = {f"rules/{name}": text for name, text in zip(names, (rule, *more), strict=True)}
    return {"rules/bundle.yaml": bundle, "rules/limits.yaml": limits, "strategies/s.yaml": strategy, **rules}


def swapped(text: str, swaps: Mapping[str, str]) -> str:
    """Return the text with each key, which must occur, replaced by its value."""
    for old, new in swaps.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    return text
