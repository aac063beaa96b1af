"""What a person sees while a demo runs: a progress bar, and a line for each thing that happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from v6.daemon.daemon import Daemon
from v6.daemon.describe import describe
from v6.demo import Plan, Watcher
from v6.model import event as e


@contextmanager
def headless_watcher(plan: Plan, console: Console) -> Iterator[Watcher]:
    """Yield a watcher that only moves a bar; it is shown on a terminal and nowhere else."""
    with _progress(plan, console) as watcher:
        yield watcher


@contextmanager
def live_watcher(plan: Plan, console: Console) -> Iterator[Watcher]:
    """Yield a watcher that also prints what happens, one line each."""
    with _progress(plan, console, lines=True) as watcher:
        yield watcher


@contextmanager
def _progress(plan: Plan, console: Console, *, lines: bool = False) -> Iterator[Watcher]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeRemainingColumn(),
        console=console,
        transient=not lines,
        disable=not console.is_terminal,
    )
    task = bar.add_task("starting", total=plan.days)
    days: set[object] = set()

    def on_day(now: datetime, daemon: Daemon) -> None:
        days.add(now.date())
        equity = daemon.feed.account_value("NetLiquidation")
        shown = "" if equity is None else f"  equity {equity[0]:,.0f}"
        bar.update(task, completed=len(days), description=f"{now:%Y-%m-%d %H:%M}{shown}")

    def on_event(event: e.Event) -> None:
        text = describe(event) if lines else None
        if text is not None:
            console.print(f"{event.at:%Y-%m-%d %H:%M}  {text}", markup=False, highlight=False, soft_wrap=True)

    with bar:
        yield Watcher(on_day, on_event)
