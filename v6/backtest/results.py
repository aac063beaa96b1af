"""The success criterion, measured: the earlier system's basic exits against the shipped rules, out of sample.

python -m v6.backtest.results --vix CSV [--out docs/results.md] [--jobs 2] [--store DIR] [--finished]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import yaml

from v6.backtest.comparison import BASIC, SHIPPED, Comparison, Swap, page
from v6.backtest.desk import TrialDesk, trial_desk
from v6.backtest.estimate import Exits, Model, condors_of
from v6.backtest.history import Sources, choose_days, load_history
from v6.backtest.outcome import Outcome, outcome_of
from v6.backtest.record import Trade
from v6.backtest.run import Backtest, Progress, plan_backtest, run_backtests, stored
from v6.backtest.segment import Conditions
from v6.console import err
from v6.errors import V6Error
from v6.paper.market import DailyHistory
from v6.shipped import desk_root

FIRST: Final = date(2010, 1, 1)
LAST: Final = date(2018, 12, 31)
TEMPLATE: Final = "iron_condor.yaml"
COMMAND: Final = "make results VIX=FILE"

ENTRY: Final = "vix < 35 and minutes_since_open >= 30 and minutes_to_close >= 60"
DAYS_BETWEEN: Final = 14
"""Wide enough apart that no limit on open positions is met, so that longer holding keeps no entry back."""

TARGET, STOP, LATE_STOP, LATE_DAYS = 0.80, 2.0, 0.50, 7
"""The earlier system's thresholds: take profit at 80 % of the credit, stop at 200 %, at 50 % in the last week."""


EXITS: Final = Exits(TARGET, STOP, LATE_STOP, LATE_DAYS)


@dataclass(frozen=True, slots=True)
class Request:
    """What is compared over which days; `first` and `last` are only other than shipped in tests."""

    sources: Sources
    store: Path
    seed: int = 1
    cycle_s: float = 300.0
    cash: float = 250_000.0
    first: date = FIRST
    last: date = LAST


def trials_of(request: Request) -> dict[tuple[str, bool], Backtest]:
    """Return the four backtests: basic exits and shipped rules, each with (True) and without costs."""
    loaded = load_history(request.sources, request.first, request.last)
    chosen = choose_days(loaded.history, request.first, request.last)
    shipped = _spaced(trial_desk(desk_root(), desk_root() / "strategies" / TEMPLATE, None))
    found = {}
    for costs in (True, False):
        conditions = Conditions(request.seed, request.cycle_s, request.cash, costs)
        for name, desk in ((BASIC, basic_exits(shipped)), (SHIPPED, shipped)):
            # In one piece each, which is exact; the four run side by side.
            found[name, costs] = plan_backtest(desk, loaded, chosen.days, conditions, request.store, 1)
    return found


def compare(request: Request, jobs: int, on_progress: Callable[[Progress], None] | None = None) -> Comparison:
    """Run what is not stored yet and return the comparison; raises V6Error as `run_backtests`."""
    trials = trials_of(request)
    results = run_backtests(list(trials.values()), jobs, on_progress)
    outcomes = {key: outcome_of(trial, found, ()) for (key, trial), found in zip(trials.items(), results, strict=True)}
    return _with_swaps(Comparison(outcomes), trials[BASIC, True].loaded.history)


def finished(request: Request) -> Comparison:
    """Return the comparison of those runs that are stored, without running any; V6Error without those with costs."""
    found, trials = {}, trials_of(request)
    for key, trial in trials.items():
        results = [stored(trial, segment) for segment in trial.segments]
        whole = tuple(r for r in results if r is not None)
        if len(whole) == len(results):
            found[key] = outcome_of(trial, whole, ())
    comparison = Comparison(found)
    if True not in comparison.known:
        raise V6Error(f"the runs with costs are not in {request.store}: leave --finished out")
    return _with_swaps(comparison, trials[BASIC, True].loaded.history)


def _with_swaps(comparison: Comparison, history: DailyHistory) -> Comparison:
    """Return the comparison with what the basic exits had made of the shipped rules' positions, estimated."""
    swaps = {}
    for costs in comparison.known:
        ours, theirs = (_ended(comparison.outcomes[name, costs], history) for name in (SHIPPED, BASIC))
        if not ours or not theirs:
            continue
        model = Model(history, costs=costs)
        [swapped] = model.estimate(condors_of(ours), [EXITS])
        [own] = model.estimate(condors_of(theirs), [EXITS])
        made = [_a_unit(t) for t in theirs]
        bias = float(own.pnl.mean()) - sum(made) / len(made)
        swaps[costs] = Swap(len(ours), sum(map(_a_unit, ours)), float(swapped.pnl.sum()), len(theirs), bias)
    return Comparison(comparison.outcomes, swaps)


def _ended(outcome: Outcome, history: DailyHistory) -> list[Trade]:
    """Return the closed trades that the history sees to their expiry."""
    return [t for t in outcome.account.trades if t.pnl is not None and t.expiry <= history.last_day]


def _a_unit(trade: Trade) -> float:
    return (trade.pnl or 0.0) / trade.units


def _spaced(desk: TrialDesk) -> TrialDesk:
    """Return the desk with entries so far apart that no limit on open positions keeps one back."""
    name = f"strategies/{TEMPLATE}"
    document = yaml.safe_load(desk.texts[name])
    document["entry"] |= {"when": ENTRY, "min_days_between": DAYS_BETWEEN}
    return desk.with_texts({name: yaml.safe_dump(document, sort_keys=False)})


def basic_exits(desk: TrialDesk) -> TrialDesk:
    """Return the desk with nothing but the earlier system's take profit and stop loss."""
    take = yaml.safe_load(desk.texts["rules/take_profit.yaml"])
    take["params"]["target"]["value"] = TARGET
    stop = yaml.safe_load(desk.texts["rules/stop_loss.yaml"])
    for name, value in (("stop", STOP), ("late_stop", LATE_STOP), ("late", LATE_DAYS)):
        stop["params"][name]["value"] = value
    texts = {
        "rules/take_profit.yaml": yaml.safe_dump(take, sort_keys=False),
        "rules/stop_loss.yaml": yaml.safe_dump(stop, sort_keys=False),
    }
    return desk.with_texts(texts).with_rules(["take_profit.yaml", "stop_loss.yaml"])


def main(arguments: list[str] | None = None) -> int:
    """Write the page; the exit code is 1 with a message on stderr if it could not be made."""
    parser = argparse.ArgumentParser(prog="python -m v6.backtest.results", description=__doc__)
    parser.add_argument("--vix", type=Path, required=True, metavar="CSV")
    parser.add_argument("--spx", type=Path, metavar="CSV")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--store", type=Path, default=Path("var/results"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--finished", action="store_true", help="write what is stored, and run nothing")
    chosen = parser.parse_args(arguments)
    request = Request(Sources(chosen.vix, chosen.spx), chosen.store)
    said = [0]

    def tell(progress: Progress) -> None:
        if progress.done - said[0] >= 100 or progress.done == progress.total:
            said[0] = progress.done
            err.print(f"{progress.done} of {progress.total} sessions", highlight=False)

    try:
        comparison = finished(request) if chosen.finished else compare(request, chosen.jobs, tell)
    except V6Error as error:
        err.print(f"results: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    chosen.out.write_text(page(comparison, COMMAND), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
