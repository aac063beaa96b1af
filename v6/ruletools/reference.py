"""The chapters of docs/rules.md that the rules write themselves: `python -m v6.ruletools.reference docs/rules.md`."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from v6.errors import ConfigError, Diagnostic, V6Error
from v6.lang import source
from v6.lang.load import BUNDLE
from v6.rules.tree import TEST_SUFFIX, read_one

WIDTH: Final = 119

CHAPTERS: Final = ("twelve", "extra")
"""Names of the generated chapters; each stands between `<!-- rules NAME -->` and `<!-- end of rules -->`."""

_CHAPTER: Final = re.compile(r"(<!-- rules (\w+) -->\n).*?(<!-- end of rules -->)", re.DOTALL)


def written(text: str, root: Path) -> str:
    """Return the document with its generated chapters as the desk's files have them; raises V6Error."""
    chapters = {"twelve": _listed(root), "extra": _extra(root)}
    found = [match[1] for match in _CHAPTER.findall(text)]
    if sorted(found) != sorted(CHAPTERS):
        raise V6Error(f"the document has the chapters {found}, not {list(CHAPTERS)}")
    return _CHAPTER.sub(lambda match: match[1] + _chapter(root, chapters[match[2]]) + match[3], text)


def _listed(root: Path) -> list[str]:
    names = [f"rules/{name}" for name in _values(_mapping(root, BUNDLE))["rules"]]
    return [name for name in names if not name.startswith("rules/extra/")]


def _extra(root: Path) -> list[str]:
    paths = sorted(path.relative_to(root).as_posix() for path in root.glob("rules/extra/*.yaml"))
    return [name for name in paths if not name.endswith(TEST_SUFFIX)]


def _mapping(root: Path, name: str) -> source.Mapping:
    text = read_one(root, name)
    if text is None:
        raise V6Error(f"there is no file {name}")
    node = source.read(name, text) if isinstance(text, str) else text
    if isinstance(node, Diagnostic):
        raise ConfigError([node])
    if not isinstance(node, source.Mapping):
        raise V6Error(f"{name} is no mapping of keys")
    return node


def _values(node: source.Mapping) -> dict[str, Any]:
    return {entry.key: source.plain(entry.value) for entry in node.entries}


def _chapter(root: Path, names: Sequence[str]) -> str:
    rules = [(name, node, _values(node)) for name in names for node in [_mapping(root, name)]]
    rules.sort(key=lambda found: found[2]["priority"])
    return "\n".join(line for name, node, rule in rules for line in _rule(name, node, rule)) + "\n"


def _rule(name: str, node: source.Mapping, rule: dict[str, Any]) -> Iterator[str]:
    facts = [f"`{name}`", f"priority {rule['priority']}", str(rule["scope"]), _action(rule["then"])]
    facts += ["protective"] if rule.get("protective") else []
    yield from (f"### {rule['id']}", "", f"**{rule['title']}** · {' · '.join(facts)}", "")
    if "doc" in rule:
        yield from (*_wrapped(rule["doc"]), "")
    yield from ("```", *_condition(node, rule), "```", "")
    if rule.get("params"):
        yield from ("| param | value | unit | from | to |", "|---|---|---|---|---|")
        for key, param in rule["params"].items():
            yield f"| `{key}` | {param['value']:g} | {param['unit']} | {param['min']:g} | {param['max']:g} |"
        yield ""


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def _action(then: dict[str, Any]) -> str:
    urgency, fraction = then.get("urgency"), then.get("fraction")
    action = str(then["action"]) if fraction is None else f"{then['action']} by {fraction:g}"
    return action if urgency is None else f"{action}, {urgency} urgency"


def _condition(node: source.Mapping, rule: dict[str, Any]) -> Iterator[str]:
    for track, fold in rule.get("track", {}).items():
        yield f"{track}: {fold}"
    for key in ("when", "for", "keep_firing_for", "cooldown", "on_missing", "missing_for", "fallback"):
        found = node.get(key)
        if isinstance(found, source.Scalar) and found.value is not None:
            yield from _spelled(key, found)
    if "alert" in rule:
        yield f"alert ({rule['alert']['severity']}): {rule['alert']['text']}"


def _spelled(key: str, scalar: source.Scalar) -> Iterator[str]:
    """Yield the key with its text in the lines of the file."""
    if not scalar.block:
        yield f"{key}: {' '.join(str(scalar.value).split())}"
        return
    yield f"{key}:"
    yield from textwrap.indent(textwrap.dedent(scalar.raw.partition("\n")[2]).rstrip(), "  ").split("\n")


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8"), path.resolve().parents[1]), encoding="utf-8")
