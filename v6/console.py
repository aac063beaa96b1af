"""What all commands share: the two consoles, common options, the desk folder they mean, and how findings are shown."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from v6.errors import Diagnostic, V6Error

out = Console()
err = Console(stderr=True)

DeskOption = Annotated[
    Path | None,
    typer.Option(
        "--desk", help="Folder with rules/ and strategies/; default here, else the shipped desk.", metavar="DIR"
    ),
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", metavar="TIME", help="Read the record as it was stored at that moment (UTC)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens to stderr.")]


class CheckFormat(StrEnum):
    """How findings are written."""

    TEXT = "text"
    GITHUB = "github"


def desk_folder(folder: Path | None) -> Path:
    """Return the folder given, else the current one if it is a desk, else the shipped desk; raises V6Error."""
    from v6.shipped import desk_root

    if folder is None:
        return Path.cwd() if Path("rules/bundle.yaml").is_file() else desk_root()
    if not (folder / "rules").is_dir():
        raise V6Error(f"{folder} has no rules/ folder; `v6 init {folder}` makes a desk")
    return folder


def desk_of_paths(paths: list[Path]) -> tuple[Path, tuple[str, ...]]:
    """Return the desk folder and the prefixes of the files in it that were asked for; none means all."""
    if not paths:
        return desk_folder(None), ()
    for path in paths:
        if not path.exists():
            raise V6Error(f"{path} does not exist")
    if len(paths) == 1 and (paths[0] / "rules").is_dir():
        return paths[0], ()
    roots = {
        next((p.parent for p in (f, *f.parents) if p.name in {"rules", "strategies"}), None) for f in map(_full, paths)
    }
    if len(roots) != 1 or None in roots:
        raise V6Error("name one desk folder, or files and folders under the rules/ and strategies/ of one desk")
    root = next(iter(roots))
    assert root is not None
    return root, tuple(_full(p).relative_to(root).as_posix() for p in paths)


def _full(path: Path) -> Path:
    return path.resolve()


def diagnostic_fields(diagnostic: Diagnostic) -> dict[str, object]:
    """Return a finding as one flat mapping."""
    fields = dataclasses.asdict(diagnostic)
    return {**fields.pop("span"), **fields}


def diagnostic_line(diagnostic: Diagnostic, form: CheckFormat) -> str:
    """Return a finding as a line of text, or as an annotation of GitHub Actions."""
    if form is CheckFormat.TEXT:
        return str(diagnostic)
    span, hint = diagnostic.span, f" ({diagnostic.hint})" if diagnostic.hint else ""
    place = f"file={span.file},line={span.line},col={span.column},title={diagnostic.code}"
    return f"::{diagnostic.severity} {place}::{diagnostic.message}{hint}"


def print_json(document: Any) -> None:
    """Print one JSON document; times are written as text."""
    typer.echo(json.dumps(document, indent=2, default=str))


def start_logging(verbose: bool) -> None:
    """Send logs to stderr: everything, or nothing but our own warnings."""
    level = logging.DEBUG if verbose else logging.CRITICAL
    # ib_async reports every order event and warning by itself; ours carry the meaning, its are for looking closely.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if verbose else logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
