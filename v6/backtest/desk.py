"""The desk of one backtest: the rules of a bundle with one template alone, as files that a daemon reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from v6.errors import V6Error
from v6.lang.desk import Desk, StrategyTemplate
from v6.lang.load import SHADOW
from v6.replay.revision import revision_texts
from v6.rules import load_texts
from v6.rules.tree import TEST_SUFFIX

BUNDLE: Final = "rules/bundle.yaml"


@dataclass(frozen=True, slots=True)
class TrialDesk:
    """The texts of a desk by name, with one template in it, and what they mean."""

    texts: dict[str, str]
    desk: Desk

    @property
    def template(self) -> StrategyTemplate:
        return self.desk.strategies[0]

    @property
    def bundle_without_templates(self) -> str:
        """Return the text of a bundle with the same rules that opens nothing."""
        return _with_strategies(self.texts[BUNDLE], [])

    def with_texts(self, texts: dict[str, str]) -> TrialDesk:
        """Return the desk with these files in place of its own or beside them; raises ConfigError."""
        changed = {**self.texts, **texts}
        return TrialDesk(changed, load_texts(changed))

    def with_rules(self, rules: list[str]) -> TrialDesk:
        """Return the desk with only these rule files in its bundle; raises ConfigError for one that is not there."""
        document = _document(self.texts[BUNDLE])
        return self.with_texts({BUNDLE: yaml.safe_dump({**document, "rules": rules}, sort_keys=False)})

    def write(self, folder: Path) -> None:
        """Write the files a daemon needs."""
        for name, text in self.texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def trial_desk(root: Path, template: Path, rules: str | None) -> TrialDesk:
    """Return the desk that is tested: rules and limits of root, of a folder or of a git revision, and the template.

    Raises ConfigError with every mistake in the files and V6Error for a template or revision that does not exist.
    """
    try:
        text = template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise V6Error(f"{template}: the template cannot be read: {error}") from error
    texts = {
        name: t for name, t in revision_texts(root, rules).items() if not name.endswith(TEST_SUFFIX) and name != SHADOW
    }
    if BUNDLE not in texts:
        raise V6Error(f"{rules or root} has no {BUNDLE}")
    kept = {name: t for name, t in texts.items() if name.startswith("rules/")}
    kept[f"strategies/{template.name}"] = text
    kept[BUNDLE] = _with_strategies(kept[BUNDLE], [template.name])
    desk = load_texts(kept)
    if len(desk.strategies) != 1:
        raise V6Error(f"{template} is not one strategy template")
    return TrialDesk(kept, desk)


def _with_strategies(text: str, names: list[str]) -> str:
    # What rests in the desk may be what is tested, and its other templates are not there at all.
    kept = {key: value for key, value in _document(text).items() if key != "inactive"}
    return yaml.safe_dump({**kept, "strategies": names}, sort_keys=False)


def _document(text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise V6Error(f"{BUNDLE}: {error}") from error
    if not isinstance(document, dict):
        raise V6Error(f"{BUNDLE} is no mapping")
    return document
