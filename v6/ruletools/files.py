"""The files of a desk on disk: read, with mistakes as diagnostics; formatted, and replaced whole or not at all."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from v6.errors import Diagnostic, Span, V6Error
from v6.lang.source import MAX_BYTES
from v6.ruletools.fmt import format_text, kind_of


@dataclass(frozen=True, slots=True)
class Formatting:
    """Files that changed or would, with their diffs; how many need nothing; why others were left alone."""

    changed: tuple[str, ...]
    diffs: tuple[str, ...]
    unchanged: int
    diagnostics: tuple[Diagnostic, ...]


def read_text(path: Path, name: str) -> str | Diagnostic:
    """Return a file's text, or why it cannot be read."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return Diagnostic(Span(name, 1, 1), "unreadable", f"the file cannot be read: {error.strerror}")
    if len(content) > MAX_BYTES:
        return Diagnostic(Span(name, 1, 1), "too-large", f"the file is larger than {MAX_BYTES // 1024} kB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return Diagnostic(Span(name, line, 1), "encoding", "the file is not UTF-8")


def format_files(root: Path, prefixes: Sequence[str] = (), *, write: bool) -> Formatting:
    """Format the desk's files whose names start with one of the prefixes, all without any; raises V6Error."""
    changed: list[str] = []
    diffs: list[str] = []
    diagnostics: list[Diagnostic] = []
    unchanged = 0
    for path in sorted((*root.glob("rules/**/*.yaml"), *root.glob("strategies/**/*.yaml"))):
        name = path.relative_to(root).as_posix()
        kind = kind_of(name)
        if kind is None or (prefixes and not name.startswith(tuple(prefixes))):
            continue
        text = read_text(path, name)
        if isinstance(text, Diagnostic):
            diagnostics.append(text)
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
                _replace(path, written)
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
