"""The commands `v6 doctor` and `v6 quality`; v6/cli.py registers them."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from v6.console import DeskOption, JsonOption, desk_folder, err, out, print_json

_COLOUR = {"ok": "green", "warning": "yellow", "error": "red"}


def doctor(
    store: Annotated[Path, typer.Option(help="Store of a desk; it may be running.")] = Path("var/desk"),
    desk: DeskOption = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every file and hold every row to the journal.")] = False,
    mend: Annotated[
        bool, typer.Option("--repair", help="Mend the tables from the journal first; the desk must be stopped.")
    ] = False,
    backup: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Copy the journal to a new file and verify the copy.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check journal, tables, history, disk, clock, packages, desk; exit 0 sound (perhaps with warnings), 1 errors.

    Damaged tables are set aside, never deleted, and written anew from the journal. A damaged journal is only mended
    by a backup. Of the market's history, which no journal holds, only what is damaged is set aside.
    """
    from v6.doctor import examine
    from v6.store.backup import backup as copy_journal
    from v6.store.health import JOURNAL, Level, repair

    repaired = repair(store, deep=deep) if mend else []
    copied = None if backup is None else copy_journal(store / JOURNAL, backup)
    checks = examine(desk_folder(desk), store, deep=deep)
    errors = sum(check.level is Level.ERROR for check in checks)
    warnings = sum(check.level is Level.WARNING for check in checks)
    if as_json:
        print_json(
            {
                "checks": [dataclasses.asdict(check) for check in checks],
                "errors": errors,
                "warnings": warnings,
                "repaired": repaired,
                "backup": None if copied is None else {"file": str(backup), "last_seq": copied},
            }
        )
    else:
        for line in repaired:
            out.print(f"repaired: {line}", markup=False, highlight=False, soft_wrap=True)
        if copied is not None:
            out.print(f"backup: {copied} events in {backup}", markup=False, highlight=False, soft_wrap=True)
        table = Table(Column("area", no_wrap=True), Column("", no_wrap=True), Column("finding", overflow="fold"))
        for check in checks:
            colour = _COLOUR[check.level]
            text = f"{check.text}\n→ {check.hint}" if check.hint else check.text
            table.add_row(check.area, f"[{colour}]{check.level}[/{colour}]", _plain(text))
        out.print(table, highlight=False)
        err.print(f"{errors} errors, {warnings} warnings", highlight=False)
    if errors:
        raise typer.Exit(1)


def quality(
    store: Annotated[Path, typer.Option(help="Store of a desk; it may be running.")] = Path("var/desk"),
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First session.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last session.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for gaps and crossed, stale, delayed, missing and outlying quotes in what was recorded; exit 1 if any."""
    from v6.pricing.calendar import xnys
    from v6.store.history import FOLDER
    from v6.store.quality import quality as judge

    days = [None if moment is None else moment.date() for moment in (first, last)]
    found = judge(store / FOLDER, xnys(), *days)
    if as_json:
        listed = [dataclasses.asdict(finding) | {"share": finding.share} for finding in found.findings]
        print_json({"rows": found.rows, "first": found.first, "last": found.last, "findings": listed})
    else:
        table = Table("table", "symbol", "day", "defect", "count", "share", Column("worst", overflow="fold"))
        for item in found.findings:
            worst = _plain("\n".join(item.worst))
            share = f"{item.share:.1%}"
            table.add_row(item.table, item.symbol, str(item.day), item.kind, str(item.count), share, worst)
        if found.findings:
            out.print(table, highlight=False)
        span = f", {found.first} to {found.last}" if found.first else ""
        err.print(f"{found.rows} rows{span}: {sum(f.count for f in found.findings)} defects", highlight=False)
    if found.findings:
        raise typer.Exit(1)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
