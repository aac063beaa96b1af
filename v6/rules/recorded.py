"""Rule sets as the journal keeps them, so that any recorded decision can be made again by the set that made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from v6.errors import V6Error
from v6.lang.load import read_rule
from v6.rules.load import load_texts
from v6.rules.rulebook import Rulebook, Sources, compiled
from v6.rules.ruleset import RuleSet

LAST_GOOD: Final = "last_good_desk"
"""Journal state key under which the texts of the last accepted tree are kept."""

RULE_STATE: Final = "rule_state"
"""Journal state key of what the rules remember after the newest decision."""

Lookup = Callable[[str], str | None]
"""What the journal keeps under a state key."""


class _Stored(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A desk's files, or the desk `of` a fingerprint with other rules (file and text), as open positions keep them."""

    texts: dict[str, str] | None = None
    of: str | None = None
    rules: list[tuple[str, str]] | None = None


def set_key(fingerprint: str) -> str:
    """Return the journal state key under which a rule set that was in force is kept."""
    return f"ruleset/{fingerprint}"


def sets_to_state(book: Rulebook, texts: Mapping[str, str], sources: Sources) -> dict[str, str]:
    """Return the state entries of all sets in force; `sources` has each rule of the pinned ones by its fingerprint."""
    current = book.current.fingerprint
    found = {set_key(current): _encoded(_Stored(texts=dict(texts)))}
    for rules in book.pinned.values():
        listed = [sources[rule.fingerprint] for rule in rules.rules]
        found.setdefault(set_key(rules.fingerprint), _encoded(_Stored(of=current, rules=listed)))
    return found


def _encoded(stored: _Stored) -> str:
    return msgspec.json.encode(stored, order="sorted").decode()


def recorded_set(fingerprint: str, lookup: Lookup) -> RuleSet | None:
    """Return the rule set of a fingerprint, None if it is not recorded or has another meaning to this version."""
    text = lookup(set_key(fingerprint))
    kept = lookup(LAST_GOOD) if text is None else None
    try:
        if text is not None:
            found = _revived(msgspec.json.decode(text, type=_Stored), lookup)
        elif kept is not None:
            # A store that was written before sets were kept has only the newest.
            found = RuleSet.compile(load_texts(msgspec.json.decode(kept, type=dict[str, str])))
        else:
            return None
    except (msgspec.MsgspecError, V6Error):
        return None
    return found if found is not None and found.fingerprint == fingerprint else None


def _revived(stored: _Stored, lookup: Lookup) -> RuleSet | None:
    if stored.texts is not None:
        return RuleSet.compile(load_texts(stored.texts))
    if stored.of is None or stored.rules is None:
        return None
    desk = recorded_set(stored.of, lookup)
    return None if desk is None else compiled(desk, [read_rule(file, text) for file, text in stored.rules])
