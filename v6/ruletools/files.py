"""The files of a desk on disk, formatted, and replaced whole or not at all."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from v6.errors import Diagnostic, V6Error
from v6.rules.tree import read_tree
from v6.ruletools.fmt import format_text, kind_of


@dataclass(frozen=True, slots=True)
class Formatting:
    """Files that changed or would, with their diffs; how many need nothing; why others were left alone."""

    changed: tuple[str, ...]
    diffs: tuple[str, ...]
    unchanged: int
    diagnostics: tuple[Diagnostic, ...]


def format_files(root: Path, prefixes: Sequence[str] = (), *, write: bool) -> Formatting:
    """Format the desk's files whose names start with one of the prefixes, all without any; raises V6Error."""
    changed: list[str] = []
    diffs: list[str] = []
    unchanged = 0
    wanted = tuple(prefixes) or ""
    tree = read_tree(root)
    diagnostics = [d for d in tree.diagnostics if d.span.file.startswith(wanted)]
    for name, text in sorted(tree.texts.items()):
        kind = kind_of(name)
        if kind is None or not name.startswith(wanted):
            continue
        written = format_text(name, kind, text)
        if isinstance(written, list):
            diagnostics += written
        elif written == text:
            unchanged += 1
        else:
            changed.append(name)
            diffs.append(_diff(name, text, written))
            if write:
                _replace(root / name, written)
    return Formatting(tuple(changed), tuple(diffs), unchanged, tuple(diagnostics))


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _replace(path: Path, text: str) -> None:
    """Swap the file in one step, so that a daemon that reads it now sees the old or the new one, never half."""
    new = path.with_name(f".{path.name}.new")
    try:
        mode = path.stat().st_mode
        with new.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.chmod(mode)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise V6Error(f"{path} cannot be written: {error.strerror}") from error
