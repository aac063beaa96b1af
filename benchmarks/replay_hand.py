"""The shipped rules with their shipped thresholds as somebody who knows DuckDB writes them, missing values and all."""

from __future__ import annotations

from typing import Final

VERDICTS: Final = (
    "coalesce(underlying_change_1h <= -0.03::DOUBLE OR (iv IS NOT NULL AND iv >= entry_iv * 2), "
    "CASE WHEN underlying_change_1d IS NOT NULL THEN underlying_change_1d <= -0.05::DOUBLE "
    "ELSE coalesce(broker_pnl_ratio, pnl_ratio) <= -3 END)",
    "coalesce(structure = 'single' AND (pnl_ratio >= 0.8::DOUBLE OR pnl_ratio <= -0.5::DOUBLE OR dte <= 21), "
    "structure = 'single' AND (broker_pnl_ratio >= 0.8::DOUBLE OR broker_pnl_ratio <= -0.5::DOUBLE))",
    "coalesce(peak IS NOT NULL AND peak >= 0.3::DOUBLE AND pnl_ratio <= peak * (1 - 0.4::DOUBLE), "
    "peak IS NOT NULL AND peak >= 0.3::DOUBLE AND broker_pnl_ratio <= peak * (1 - 0.4::DOUBLE))",
    "coalesce(vix > 35 OR vix > entry_vix + 7, underlying_change_1d <= -0.03::DOUBLE)",
    "structure <> 'single' AND pnl_ratio >= 0.5::DOUBLE",
    "coalesce(pnl_ratio <= -2 OR (pnl_ratio <= -0.5::DOUBLE AND dte < 7), "
    "broker_pnl_ratio <= -2 OR (broker_pnl_ratio <= -0.5::DOUBLE AND dte < 7))",
    "coalesce(structure <> 'single' AND (abs(delta) > CASE WHEN structure = 'iron_condor' THEN 0.3::DOUBLE "
    "WHEN structure IS NOT NULL THEN 0.4::DOUBLE END OR (credit > 0 AND short_delta >= 0.4::DOUBLE)), "
    "structure <> 'single' AND credit > 0 AND short_distance <= 0.01::DOUBLE)",
    "coalesce(dte < 14 AND gamma_1pct <= -0.15::DOUBLE, dte < 14 AND short_distance <= 0.02::DOUBLE)",
    "dte <= 2",
    "credit > 0 AND iv <= entry_iv * (1 - 0.3::DOUBLE) AND pnl_ratio > 0.2::DOUBLE",
    "credit > 0 AND dte <= 21 AND pnl_ratio > 0 AND minutes_since_open >= 30 AND minutes_to_close >= 30",
    "drawdown >= 0.1::DOUBLE OR margin_ratio > 0.5::DOUBLE OR max_loss_ratio > 0.2::DOUBLE "
    "OR abs(portfolio_delta_ratio) > 1",
)
NAMES: Final = (
    "catastrophe", "single_leg_exit", "trailing_stop", "vix_exit", "take_profit", "stop_loss", "delta_risk",
    "gamma_risk", "time_exit", "iv_crush", "dte_roll", "portfolio_limits",
)  # fmt: skip
PROTECTIVE_ABOVE_THE_ROLL: Final = (0, 1, 2, 3, 5, 6, 7, 8)
ROLL: Final = 10
PORTFOLIO: Final = 11


def _here(bit: int) -> str:
    return "key = ''" if bit == PORTFOLIO else "key <> ''"


def _first(fired: str, unknown: str) -> str:
    arms = []
    for bit, name in enumerate(NAMES):
        blind = " OR ".join(f"({unknown.format(i)} AND NOT {fired.format(i)})" for i in PROTECTIVE_ABOVE_THE_ROLL)
        held_up = f" AND NOT ({blind})" if bit == ROLL else ""
        arms.append(f"WHEN {fired.format(bit)}{held_up} THEN '{name}'")
    return f"CASE {' '.join(arms)} END AS rule_id"


def _mask(name: str, what: str) -> str:
    return f"({' + '.join(f'CASE WHEN {what.format(bit)} THEN {1 << bit} ELSE 0 END' for bit in range(12))}) AS {name}"


def hand_masks() -> str:
    """Return the query of the rules without state."""
    verdicts = ", ".join(
        f"CASE WHEN {_here(bit)} THEN ({text}) ELSE FALSE END AS v{bit}" for bit, text in enumerate(VERDICTS)
    )
    fired, unknown = "v{0}", "(v{0} IS NULL)"
    masks = f"{_mask('fired', fired)}, {_mask('unknown', unknown)}"
    return f"SELECT {_first(fired, unknown)}, {masks} FROM (SELECT {verdicts} FROM snapshots)"


MISSING_FOR_S: Final = {0: 600, 1: 900, 2: 900, 3: 900, 5: 900, 6: 900, 7: 900, PORTFOLIO: 300}
TRAILING: Final = 2
FOR_S: Final = 60


def hand_state() -> str:
    """Return the query with folds and timers: verdicts first where they can be, then one window after the other."""
    life = "WINDOW life AS (PARTITION BY key ORDER BY ts ROWS UNBOUNDED PRECEDING)"
    earlier = f"{life}, earlier AS (PARTITION BY key ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    judged = [f"CASE WHEN {_here(bit)} THEN ({text}) ELSE FALSE END AS v{bit}" for bit, text in enumerate(VERDICTS)]
    trailing = judged.pop(TRAILING)
    marks = ", ".join(
        f"CASE WHEN v{bit} IS NULL AND (gap OR lag(v{bit}) OVER life IS NOT NULL) THEN ts END AS lost{bit}"
        for bit in MISSING_FOR_S
    )
    since = ", ".join(f"max(lost{bit}) OVER life AS since{bit}" for bit in MISSING_FOR_S)
    # An island of the trailing stop begins where it is false or after a gap; unknown rows neither start nor stop it.
    island = f"count(*) FILTER (gap OR NOT v{TRAILING}) OVER life AS island"
    held = f"min(CASE WHEN v{TRAILING} THEN ts END) OVER (PARTITION BY key, island ORDER BY ts) AS held"
    waited = f"ts - held >= to_seconds({FOR_S})"
    fires = []
    for bit in range(12):
        text = f"coalesce(v{bit}, FALSE)" + (f" AND coalesce({waited}, FALSE)" if bit == TRAILING else "")
        if bit in MISSING_FOR_S:
            text += f" OR (v{bit} IS NULL AND ts - since{bit} >= to_seconds({MISSING_FOR_S[bit]}))"
        fires.append(f"({text}) AS f{bit}")
    told = f"max(CASE WHEN f{PORTFOLIO} THEN ts END) OVER earlier"
    ended = f"max(CASE WHEN NOT v{PORTFOLIO} AND NOT f{PORTFOLIO} THEN ts END) OVER earlier"
    alerts = f"(f{PORTFOLIO} AND coalesce({told} < {ended}, {told} IS NULL))::BIGINT * {1 << PORTFOLIO} AS alerts"
    pending = f"(coalesce(v{TRAILING}, held IS NOT NULL) AND NOT f{TRAILING})::BIGINT * {1 << TRAILING} AS pending"
    return f"""
WITH firsts AS (
    SELECT key, arg_min(iv, ts) AS first_iv, min(CASE WHEN iv IS NOT NULL THEN ts END) AS iv_from,
        arg_min(vix, ts) AS first_vix, min(CASE WHEN vix IS NOT NULL THEN ts END) AS vix_from
    FROM snapshots GROUP BY key
),
begun AS (
    SELECT snapshots.* EXCLUDE (entry_iv, entry_vix, peak), CASE WHEN ts >= iv_from THEN first_iv END AS entry_iv,
        CASE WHEN ts >= vix_from THEN first_vix END AS entry_vix
    FROM snapshots JOIN firsts USING (key)
),
early AS (SELECT snapshot_id, key, ts, pnl_ratio, broker_pnl_ratio, {", ".join(judged)} FROM begun),
folded AS (
    SELECT *, max(pnl_ratio) OVER life AS peak, coalesce(ts - lag(ts) OVER life > INTERVAL 15 MINUTE, TRUE) AS gap
    FROM early {life}
),
judged AS (SELECT * EXCLUDE (pnl_ratio, broker_pnl_ratio, peak), {trailing} FROM folded),
marked AS (SELECT *, {marks}, {island} FROM judged {life}),
timed AS (SELECT *, {since}, {held} FROM marked {life}),
fired AS (SELECT *, {", ".join(fires)} FROM timed)
SELECT snapshot_id, key, ts, {_first("f{0}", "(v{0} IS NULL)")}, {_mask("fired", "f{0}")},
    {_mask("unknown", "(v{0} IS NULL)")}, {alerts}, {pending}
FROM fired {earlier}
"""
