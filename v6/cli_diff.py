"""The commands that hold rule sets against the record: diff and selfcheck; v6/cli.py registers them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from v6.console import AsOfOption, DeskOption, JsonOption, desk_folder, err, out, print_json
from v6.errors import ConfigError, StoreError, V6Error

if TYPE_CHECKING:
    from v6.replay.diff import Diff

STORES = (Path("var/desk"), Path("var/demo"))
"""Where a store is looked for when none is named."""


def diff(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="Git revision, desk folder, or `live`: what a daemon runs.")
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same, for the other side.")],
    store: Annotated[
        Path | None, typer.Option(help="Store of a run or of a demo; default var/desk, else var/demo.")
    ] = None,
    rules_only: Annotated[
        bool, typer.Option("--rules-only", help="Compare meanings only, by proof; look at no record.")
    ] = False,
    first: Annotated[datetime | None, typer.Option("--from", help="First moment (UTC).")] = None,
    last: Annotated[datetime | None, typer.Option("--to", help="Last moment (UTC).")] = None,
    as_of: AsOfOption = None,
    desk: DeskOption = None,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page to a file.")] = None,
) -> None:
    """Show every decision that two revisions of a desk make otherwise, what it is worth, and what is proven.

    Exit 0 if no decision changes, 1 if some do, 2 if it could not be told. The diff is put on record in the store.
    """
    try:
        found = _compared((old, new), _store(store, rules_only), (first, last, as_of), desk, rules_only)
        if html is not None:
            _write_page(html, found)
    except ConfigError as error:
        for diagnostic in error.diagnostics:
            err.print(str(diagnostic), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except V6Error as error:
        err.print(f"v6: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if as_json:
        print_json({**dataclasses.asdict(found), "decisions_change": found.changed})
    elif markdown:
        from v6.replay.diff_markdown import markdown as as_markdown

        typer.echo(as_markdown(found), nl=False)
    else:
        _print(found)
    if found.changed:
        raise typer.Exit(1)


def _store(store: Path | None, rules_only: bool) -> Path | None:
    """Return the store to look at, if there need be one; raises V6Error if there is none."""
    if store is None:
        store = next((path for path in STORES if (path / "journal.sqlite").exists()), None)
        if store is None and not rules_only:
            raise V6Error(f"no store in {' or '.join(map(str, STORES))}; name one with --store, or use --rules-only")
    elif not (store / "journal.sqlite").exists() and not (store / "tables").is_dir():
        raise V6Error(f"there is no store at {store}; `v6 run` and `v6 demo` make one")
    return store


def _compared(
    names: tuple[str, str],
    store: Path | None,
    bounds: tuple[datetime | None, datetime | None, datetime | None],
    desk: Path | None,
    rules_only: bool,
) -> Diff:
    from v6.replay.diff import Range, compare_desks, put_on_record
    from v6.replay.diff_sources import load_side

    first, last, as_of = (None if m is None else m.replace(tzinfo=m.tzinfo or UTC) for m in bounds)
    if first is not None and last is not None and first > last:
        raise V6Error(f"--from {first:%Y-%m-%d %H:%M} is after --to {last:%Y-%m-%d %H:%M}")
    root = desk_folder(desk)
    old, new = load_side(root, names[0], store), load_side(root, names[1], store)
    if store is None or rules_only:
        return compare_desks(names, old, new, None, Range())
    found = compare_desks(names, old, new, store / "tables", Range(first, last, as_of))
    try:
        put_on_record(store, found, datetime.now(UTC))
    except StoreError as error:
        # What was found is true all the same; only a daemon that asks for a record does without.
        err.print(f"warning: {error}", markup=False, highlight=False, soft_wrap=True)
    return found


def _write_page(path: Path, found: Diff) -> None:
    from v6.replay.diff_html import html

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html(found), encoding="utf-8")
    except OSError as error:
        raise V6Error(f"{path} cannot be written: {error.strerror}") from error


def _print(found: Diff) -> None:
    from v6.replay.diff_words import caveats, dollars, edit_line, proof_lines, summary, verdict_word

    out.print(summary(found), markup=False, highlight=False, soft_wrap=True)
    effects = {} if found.record is None else {effect.rule_id: effect for effect in found.record.rules}
    edited = {edit.rule_id: edit for edit in found.edits.rules}
    table = Table(Column("rule", no_wrap=True), "judgement", "decisions", "positions", "days", "$ effect")
    for rule_id in dict.fromkeys([*edited, *effects]):
        edit, effect = edited.get(rule_id), effects.get(rule_id)
        word = "not edited" if edit is None else f"{edit.kind}, {verdict_word(edit)}"
        figures = ["", "", "", ""]
        if effect is not None:
            money = dollars(effect.effect.total) if effect.effect.positions else ""
            figures = [f"-{effect.fewer:,} / +{effect.more:,}", f"{effect.positions:,}", f"{effect.days:,}", money]
        table.add_row(escape(rule_id), word, *figures)
    if table.row_count:
        out.print(table)
    lines = [f"order: {', '.join(ids)}" for ids in found.edits.order or ()]
    for edit in found.edits.rules:
        lines += [f"  {edit_line(changed)}" for changed in (*edit.params, *edit.texts)]
        if edit.comparison is not None:
            lines += [f"  {edit.rule_id}: {line}" for line in proof_lines(edit.comparison)]
    lines += [f"  {edit_line(changed)}" for changed in (*found.edits.limits, *found.edits.strategies)]
    lines += [f"may be looser: {item.name}: {item.reason}" for item in found.edits.loosenings]
    lines += [] if found.record is None else list(caveats(found.record))
    for line in lines:
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def selfcheck(
    store: Annotated[Path, typer.Option(help="Store of a run or of a demo.")] = Path("var/desk"),
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only this UTC day; default the whole record.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make every recorded decision again by the rules that were in force, pins and memory included, and compare.

    Exit 0 if all agree, 1 if some do not or cannot be judged, 2 if there is nothing to check.
    """
    from v6.replay.selfcheck import selfcheck as check
    from v6.replay.selfcheck import why_unjudged

    try:
        found = check(store, None if day is None else day.date())
    except V6Error as error:
        err.print(f"v6: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        for item in found.disagreements:
            where = item.key or "portfolio"
            line = f"{item.ts:%Y-%m-%d %H:%M:%S} {where}: {item.why} (v6 explain {item.snapshot_id}:{item.key})"
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        if found.unjudged:
            out.print(f"{found.unjudged} decisions cannot be judged: {why_unjudged(found)}", highlight=False)
        by = f"{found.by_query:,} by query, {found.by_fold:,} by fold, under {len(found.sets)} rule sets"
        line = f"{found.snapshots:,} snapshots: {found.agree:,} agree, {found.disagree:,} disagree ({by})"
        out.print(line, highlight=False, soft_wrap=True)
    if found.disagree or found.unjudged:
        raise typer.Exit(1)
