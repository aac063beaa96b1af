"""A desk from its folder or its texts: parsed, checked, and every example run by the reference backend."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from v6.backends.reference import evaluate
from v6.errors import ConfigError, Diagnostic, Severity, Span
from v6.lang.desk import Desk, Example, Rule
from v6.lang.events import EVENTS, read_events
from v6.lang.load import read_desk
from v6.lang.source import MAX_BYTES
from v6.model.catalogue import Value


def read_texts(root: Path) -> dict[str, str]:
    """Return the YAML files under rules/ and strategies/ by their names relative to root; raises ConfigError.

    Rule tests (*.test.yaml) are no part of what a desk means, so they are left out.
    """
    texts, diagnostics = _read(root)
    if diagnostics:
        raise ConfigError(diagnostics)
    return texts


def load_desk(root: Path) -> Desk:
    """Return the desk in a folder; raises ConfigError with all diagnostics."""
    texts, unreadable = _read(root)
    desk, found = _judge(texts, [d.span.file for d in unreadable])
    if desk is None or unreadable:
        raise ConfigError(_in_order([*unreadable, *found]))
    return desk


def load_texts(files: Mapping[str, str]) -> Desk:
    """Return the desk that the texts describe; raises ConfigError with all diagnostics."""
    desk, found = _judge(files)
    if desk is None:
        raise ConfigError(_in_order(found))
    return desk


def check_desk(root: Path) -> list[Diagnostic]:
    """Return every error and warning about the desk in a folder, in the order of files and lines."""
    texts, unreadable = _read(root)
    _, found = _judge(texts, [d.span.file for d in unreadable])
    return _in_order([*unreadable, *found, *_check_events(root)])


def _check_events(root: Path) -> list[Diagnostic]:
    if not (root / EVENTS).exists():
        return []
    texts: dict[str, str] = {}
    found = _read_one(root / EVENTS, EVENTS, texts)
    return found or read_events(texts[EVENTS])[1]


def _in_order(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return sorted(diagnostics, key=lambda d: (d.span, d.message))


def _judge(files: Mapping[str, str], unreadable: Collection[str] = ()) -> tuple[Desk | None, list[Diagnostic]]:
    reading = read_desk(files, unreadable)
    diagnostics = list(reading.diagnostics)
    diagnostics += [d for rule in reading.rules for d in check_examples(rule)]
    failed = any(d.severity is Severity.ERROR for d in diagnostics)
    return (None if failed else reading.desk), diagnostics


def check_examples(rule: Rule) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each example whose verdict is not the one its author claims; timers are left out."""
    for example in rule.examples:
        verdict = verdict_of(rule, example)
        if verdict is not example.fires:
            message = f"the example says {_word(example.fires)}, the rule says {_word(verdict)}"
            yield Diagnostic(example.span, "example", message, "correct one of them")


def verdict_of(rule: Rule, example: Example) -> Value:
    """Return the verdict on an example; a track it does not give holds what this one row would put into it."""
    names: dict[str, Value] = dict(example.given)
    for track in rule.tracks:
        if track.name not in names:
            names[track.name] = evaluate(track.expr, dict(example.given))
    for condition in rule.conditions:
        verdict = evaluate(condition, names)
        if verdict is not None:
            return verdict
    return None


def _word(verdict: Value) -> str:
    return "it is unknown" if verdict is None else "it fires" if verdict else "it does not fire"


def _read(root: Path) -> tuple[dict[str, str], list[Diagnostic]]:
    texts: dict[str, str] = {}
    diagnostics: list[Diagnostic] = []
    for path in sorted((*root.glob("rules/**/*.yaml"), *root.glob("strategies/**/*.yaml"))):
        name = path.relative_to(root).as_posix()
        if not name.endswith(".test.yaml"):
            diagnostics += _read_one(path, name, texts)
    return texts, diagnostics


def _read_one(path: Path, name: str, texts: dict[str, str]) -> list[Diagnostic]:
    """Put the file's text among the texts, or return why it cannot be had."""
    start = Span(name, 1, 1)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            return [Diagnostic(start, "too-large", f"the file is larger than {MAX_BYTES // 1024} kB")]
        texts[name] = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return [Diagnostic(Span(name, line, 1), "encoding", "the file is not UTF-8")]
    except OSError as error:
        return [Diagnostic(start, "unreadable", f"the file cannot be read: {error.strerror}")]
    return []
