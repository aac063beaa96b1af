"""The commands about a desk's rules: test, fmt, rules, explain; v6/cli.py registers them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from v6.console import (
    AsOfOption,
    DeskOption,
    JsonOption,
    desk_folder,
    desk_of_paths,
    diagnostic_fields,
    err,
    out,
    print_json,
)
from v6.errors import V6Error

if TYPE_CHECKING:
    from v6.ruletools.suite import Report

rules = typer.Typer(help="The rules that are active, in order of priority.", invoke_without_command=True)

PathsArgument = Annotated[
    list[Path] | None, typer.Argument(help="Desk folder, or files and folders under its rules/ and strategies/.")
]


def run_rule_tests(
    paths: PathsArgument = None,
    as_json: JsonOption = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the outcomes as JUnit XML too.")] = None,
    min_coverage: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Fail below this per cent of outcomes seen.")
    ] = 0.0,
) -> None:
    """Run the rule tests (rules/*.test.yaml) and tell which comparisons they saw true, false and unknown."""
    from v6.rules import load_desk
    from v6.ruletools.suite import junit as junit_text
    from v6.ruletools.suite import run_tests

    root, wanted = desk_of_paths(paths or [])
    report = run_tests(root, load_desk(root), wanted)
    if wanted and not report.outcomes and not report.diagnostics:
        raise V6Error("no *.test.yaml there")
    if junit is not None:
        _write(junit, junit_text(report))
    if as_json:
        print_json(report.to_json())
    else:
        _print_tests(report)
    enough = report.percent >= min_coverage
    if not enough:
        err.print(f"coverage {report.percent:.1f} % is below {min_coverage:g} %", highlight=False)
    if report.failed or not enough:
        raise typer.Exit(1)


def _print_tests(report: Report) -> None:
    table = Table(
        Column("rule", no_wrap=True), "comparison", "true", "false", "unknown", title="what the tests have seen"
    )
    last = ""
    for seen in report.coverage:
        counts = [f"{n}" if n else "[red]never[/red]" for n in (seen.true, seen.false)]
        table.add_row(seen.rule if seen.rule != last else "", escape(seen.comparison), *counts, f"{seen.unknown}")
        last = seen.rule
    out.print(table)
    for diagnostic in report.diagnostics:
        out.print(str(diagnostic), markup=False, highlight=False, soft_wrap=True)
    for outcome in report.outcomes:
        for failure in outcome.failures:
            out.print(f"{failure} [{outcome.title}]", markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"{report.passed} passed, {report.failed} failed, {report.percent:.1f} % of outcomes seen", highlight=False
    )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise V6Error(f"{path} cannot be written: {error.strerror}") from error


def fmt(
    paths: PathsArgument = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write rules, strategies, limits, bundle and rule tests in one layout; comments stay, meanings never change.

    A file that does not parse is reported and left as it is.
    """
    from v6.ruletools.files import format_files

    if not paths and not Path("rules/bundle.yaml").is_file():
        # Unlike other commands this one writes, and the shipped desk is not the user's to change.
        raise V6Error("there is no rules/bundle.yaml here; name the desk, or files in it")
    root, wanted = desk_of_paths(paths or [])
    result = format_files(root, wanted, write=not (check or diff))
    if as_json:
        print_json(
            {
                "changed": list(result.changed),
                "unchanged": result.unchanged,
                "written": not (check or diff),
                "diagnostics": [diagnostic_fields(d) for d in result.diagnostics],
            }
        )
    else:
        if diff:
            typer.echo("".join(result.diffs), nl=False)
        word = "would change" if check or diff else "formatted"
        for name in result.changed:
            err.print(f"{word} {name}", markup=False, highlight=False, soft_wrap=True)
        for diagnostic in result.diagnostics:
            out.print(str(diagnostic), markup=False, highlight=False, soft_wrap=True)
        err.print(f"{len(result.changed)} {word}, {result.unchanged} as they should be", highlight=False)
    if result.diagnostics or ((check or diff) and result.changed):
        raise typer.Exit(1)


def explain(
    decision: Annotated[
        str | None,
        typer.Argument(metavar="DECISION_ID", help="Id of a recorded decision: snapshot id, colon, position."),
    ] = None,
    at: Annotated[
        datetime | None, typer.Option(metavar="TIME", help="The last snapshot until then (UTC), instead of an id.")
    ] = None,
    rule: Annotated[str | None, typer.Option(metavar="ID", help="Show only this rule.")] = None,
    position: Annotated[
        str | None, typer.Option(metavar="KEY", help="With --at, only this position; '' is the portfolio.")
    ] = None,
    store: Annotated[Path, typer.Option(help="Store of a run or of a demo.")] = Path("var/desk"),
    revision: Annotated[
        str | None,
        typer.Option("--rules", metavar="DIR|REV", help="Explain by these rules, whatever it was made with."),
    ] = None,
    as_of: AsOfOption = None,
    desk: DeskOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show why a decision fell: each rule's verdict, every value in it, the distance to each threshold, why not.

    The decision is made again from the recorded snapshots; exit 1 if that gives another one than was recorded.
    """
    from v6.replay.revision import load_revision
    from v6.ruletools.record import Record, Wanted
    from v6.ruletools.tree import explanation_tree, only

    if (decision is None) is (at is None):
        raise typer.BadParameter("give either the id of a decision or --at TIME")
    loaded = load_revision(desk_folder(desk), revision)
    moment = None if at is None else at.replace(tzinfo=at.tzinfo or UTC)
    record = Record(store / "tables", None if as_of is None else as_of.replace(tzinfo=as_of.tzinfo or UTC))
    found = record.find(Wanted(decision, moment, position))
    if rule is not None and rule not in {r.id for r in loaded.rules}:
        raise V6Error(f"no rule `{rule}` is active; active are {', '.join(r.id for r in loaded.rules)}")
    for item in found:
        if revision is None and item.bundle_fingerprint != loaded.fingerprint:
            raise V6Error(
                f"{item.decision_id} was made with the rules {item.bundle_fingerprint[:12]}, but those here are "
                f"{loaded.fingerprint[:12]}; name the folder or git revision it was made with by --rules"
            )
    explanations = [record.explain(item, loaded) for item in found]
    if as_json:
        print_json({"decisions": [dataclasses.asdict(only(e, rule)) for e in explanations]})
    else:
        for explanation in explanations:
            # Where nobody looks at it, in a file or a pipe, lines are not cut to the width of a terminal.
            console = out if out.is_terminal else Console(width=240)
            console.print(explanation_tree(only(explanation, rule)), highlight=False)
    if any(explanation.differences for explanation in explanations):
        raise typer.Exit(1)


@rules.callback()
def _rules(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_rules(None, False)


@rules.command("list")
def list_rules(desk: DeskOption = None, as_json: JsonOption = False) -> None:
    """List the active rules in order of priority: the first that fires decides."""
    from v6.rules import load_desk
    from v6.ruletools.words import describe_rule, duration

    loaded = load_desk(desk_folder(desk))
    if as_json:
        listed = [dataclasses.asdict(describe_rule(rule)) for rule in loaded.rules]
        print_json({"fingerprint": loaded.fingerprint, "rules": listed})
        return
    table = Table("priority", Column("id", no_wrap=True), "scope", "action", "protective", "for", "title")
    for rule in loaded.rules:
        protective = "yes" if rule.protective else ""
        held = duration(rule.for_s) if rule.for_s else ""
        table.add_row(str(rule.priority), rule.id, rule.scope, rule.then.kind, protective, held, escape(rule.title))
    out.print(table)
    out.print(f"{len(loaded.rules)} rules, fingerprint {loaded.fingerprint[:12]}", highlight=False)


@rules.command("show")
def show_rule(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="Id of an active rule.")],
    desk: DeskOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in words what one rule means: its condition with the params written in, and what it does without inputs."""
    from v6.lang.hints import did_you_mean
    from v6.rules import load_desk
    from v6.ruletools.words import describe_rule

    known = {rule.id: rule for rule in load_desk(desk_folder(desk)).rules}
    if rule_id not in known:
        hint = did_you_mean(rule_id, known) or f"active are {', '.join(known)}"
        raise V6Error(f"no rule `{rule_id}` is active; {hint}")
    found = describe_rule(known[rule_id])
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    out.print(f"[bold]{found.id}[/bold] (priority {found.priority}): {escape(found.title)}", highlight=False)
    for sentence in found.sentences():
        out.print(sentence, markup=False, highlight=False, soft_wrap=True)
    table = Table(Column("name", no_wrap=True), "kind", "meaning")
    for name, text in found.params.items():
        table.add_row(name, "param", escape(text))
    for name, text in found.tracks.items():
        table.add_row(name, "track", escape(text))
    for item in found.inputs:
        kind = f"field, {item.unit}{', may be missing' if item.may_be_missing else ''}"
        table.add_row(item.name, kind, escape(item.meaning))
    out.print(table)
    out.print(f"fingerprint {found.fingerprint}", highlight=False)


@rules.command("shadow")
def show_shadow(
    store: Annotated[Path, typer.Option(help="Store of a run or of a demo.")] = Path("var/desk"),
    as_json: JsonOption = False,
) -> None:
    """List where the candidate bundle, rules/shadow.yaml, would have done something else than the desk's."""
    from v6.store.query import connect

    query = "SELECT ts, key, rule_id, action, shadow_rule_id, shadow_action, decision_id FROM shadow ORDER BY seq, key"
    found = connect(store / "tables").sql(query).to_arrow_table().to_pylist()
    if as_json:
        print_json({"differences": [{**row, "ts": row["ts"].isoformat()} for row in found]})
        return
    table = Table("time", Column("row", no_wrap=True), "the desk", "the shadow")
    for row in found:
        wishes = [
            f"{row[rule]}: {row[action]}" if row[action] else "nothing"
            for rule, action in (("rule_id", "action"), ("shadow_rule_id", "shadow_action"))
        ]
        table.add_row(f"{row['ts']:%Y-%m-%d %H:%M:%S}", row["key"] or "portfolio", *map(escape, wishes))
    out.print(table)
    out.print(f"{len(found)} differences", highlight=False)
