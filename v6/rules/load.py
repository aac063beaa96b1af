"""A desk from its folder or its texts: parsed, checked, and every example run by the reference backend."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from v6.backends.reference import evaluate
from v6.errors import ConfigError, Diagnostic, Severity
from v6.lang.desk import Desk, Example, Rule
from v6.lang.events import EVENTS, read_events
from v6.lang.load import read_desk
from v6.lang.recording import RECORDING, read_recording
from v6.model.catalogue import Value
from v6.rules.tree import TEST_SUFFIX, Tree, read_one, read_tree


def read_texts(root: Path) -> dict[str, str]:
    """Return the YAML files under rules/ and strategies/, rule tests too, by their names relative to root.

    Raises ConfigError if there is one that cannot be read or must not be there.
    """
    tree = read_tree(root)
    if tree.diagnostics:
        raise ConfigError(tree.diagnostics)
    return tree.texts


def load_desk(root: Path) -> Desk:
    """Return the desk in a folder; raises ConfigError with all diagnostics. Rule tests are not looked at."""
    tree = read_tree(root)
    unreadable = [d for d in tree.diagnostics if not d.span.file.endswith(TEST_SUFFIX)]
    desk, found = _judge_tree(tree)
    if desk is None or unreadable:
        raise ConfigError(_in_order([*unreadable, *found]))
    return desk


def load_texts(files: Mapping[str, str]) -> Desk:
    """Return the desk that the texts describe; raises ConfigError with all diagnostics. Rule tests mean nothing."""
    desk, found = _judge(files)
    if desk is None:
        raise ConfigError(_in_order(found))
    return desk


def check_desk(root: Path) -> list[Diagnostic]:
    """Return every error and warning about the desk in a folder, in the order of files and lines.

    Calendar and recording plan are among it. Of rule tests only that they can be read; `v6.ruletools` runs them.
    """
    tree = read_tree(root)
    return _in_order([*tree.diagnostics, *_judge_tree(tree)[1], *_check_beside(root)])


def _check_beside(root: Path) -> Iterator[Diagnostic]:
    """Yield what is wrong with the files beside rules/, each of which need not be there."""
    for name, read in ((EVENTS, read_events), (RECORDING, read_recording)):
        text = read_one(root, name)
        if isinstance(text, Diagnostic):
            yield text
        elif text is not None:
            yield from read(text)[1]


def _judge_tree(tree: Tree) -> tuple[Desk | None, list[Diagnostic]]:
    # What is in a folder that was not read would be called missing.
    return _judge(tree.texts, [d.span.file for d in tree.diagnostics]) if tree.complete else (None, [])


def _in_order(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return sorted(diagnostics, key=lambda d: (d.span, d.message))


def _judge(files: Mapping[str, str], unreadable: Collection[str] = ()) -> tuple[Desk | None, list[Diagnostic]]:
    meant = {name: text for name, text in files.items() if not name.endswith(TEST_SUFFIX)}
    reading = read_desk(meant, unreadable)
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
