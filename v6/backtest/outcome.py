"""Everything that a finished backtest can tell, in one value: the terminal, JSON and the page show parts of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from v6.backtest.breakdown import Group, Regime, by_exit, by_trend, by_vix, by_year
from v6.backtest.chain import Account, Day, chain
from v6.backtest.metrics import Band, Figures, drawdown_band, figures
from v6.backtest.record import SegmentResult
from v6.backtest.run import Backtest
from v6.paper.market import DailyHistory


@dataclass(frozen=True, slots=True)
class Settings:
    """What was run; enough to run it again."""

    template: str
    bundle_fingerprint: str
    history_sha256: str
    first: date
    last: date
    segments: tuple[str, ...]
    seed: int
    cycle_s: float
    cash: float
    costs: bool
    inputs_sha256: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished backtest; `caveats` are what its figures must not be read without."""

    settings: Settings
    figures: Figures
    drawdown_band: Band | None
    buy_and_hold: Figures
    by_year: dict[int, Figures]
    by_exit: list[Group]
    by_vix: list[Regime]
    by_trend: list[Regime]
    account: Account
    index: tuple[float, ...]
    findings: tuple[str, ...]
    denied: int
    halted_days: int
    event_log_sha256: tuple[str, ...]
    caveats: tuple[str, ...]


def outcome_of(test: Backtest, results: tuple[SegmentResult, ...], notes: tuple[str, ...]) -> Outcome:
    """Return what the segments tell together."""
    account, history = chain(results), test.loaded.history
    index = _index(account, history)
    conditions = test.conditions
    settings = Settings(
        template=test.desk.template.id,
        bundle_fingerprint=test.desk.desk.fingerprint,
        history_sha256=test.loaded.digest,
        first=test.segments[0].days[0],
        last=test.segments[-1].days[-1],
        segments=tuple(s.name for s in test.segments),
        seed=conditions.seed,
        cycle_s=conditions.cycle_s,
        cash=conditions.cash,
        costs=conditions.costs,
        inputs_sha256=test.fingerprint,
    )
    return Outcome(
        settings=settings,
        figures=figures(account),
        drawdown_band=drawdown_band(account, conditions.seed),
        buy_and_hold=figures(_held(account, index)),
        by_year=by_year(account),
        by_exit=by_exit(account.trades),
        by_vix=by_vix(account, history),
        by_trend=by_trend(account, history),
        account=account,
        index=index,
        findings=tuple(f for r in results for f in r.findings),
        denied=sum(r.denied for r in results),
        halted_days=sum(r.halted_days for r in results),
        event_log_sha256=tuple(r.event_log_sha256 for r in results),
        caveats=_caveats(test, notes),
    )


def _index(account: Account, history: DailyHistory) -> tuple[float, ...]:
    """Return the worth of the same cash in the index (price only), bought at the close before the first session."""
    closes = {s.day: s.close for s in history.sessions}
    start = max((s for s in history.sessions if s.day < account.days[0].day), key=lambda s: s.day).close
    return tuple(account.cash * closes[d.day] / start for d in account.days)


def _held(account: Account, index: tuple[float, ...]) -> Account:
    before = (account.cash, *index)
    days = (
        Day(d.day, value, value - earlier, 0.0, 0, 0.0, 0.0)
        for d, value, earlier in zip(account.days, index, before, strict=False)
    )
    return Account(account.cash, tuple(days), ())


def _caveats(test: Backtest, notes: tuple[str, ...]) -> tuple[str, ...]:
    costs = (
        "Spreads are those of SPXW in January 2021 scaled with the VIX, and orders fill by rules of our own: no "
        "queue, no impact, never refused for size. Commission and exchange fee are 1.25 dollars a contract."
        if test.conditions.costs
        else "No costs: both sides of each option quote its theoretical value, and there are no commissions."
    )
    pieces = len(test.segments)
    chained = (
        ()
        if pieces == 1
        else (
            f"The range was run in {pieces} segments side by side. Each begins with the same cash and no position; "
            "its positions are followed to their end in the days of the next one, without new entries, and the "
            "dollars of all are added by day. Around each cut more positions than the limits allow may be open, a "
            "roll finds no replacement, and what depends on the account's past (size, drawdown limit, days between "
            "entries) starts anew. --jobs 1 runs it in one piece.",
        )
    )
    return (
        "Only the closes of the VIX and the daily prices of the index are real. Within a day both move on a random "
        "bridge that touches the day's open, high, low and close; another --seed gives another.",
        "Option prices come from a modelled surface (SSVI fitted to chains of December 2015) whose own VIX is the "
        "real one; its skew never changes. Interest is 0.5 % and the dividend yield 2 %, all the time.",
        costs,
        "Cash earns nothing here, neither the account's nor that of the cash line; buying and holding the index is "
        "the price alone, without dividends.",
        *chained,
        *test.loaded.notes,
        *notes,
    )
