"""Which keys of a template go together: credits and debits are anchored and priced by different ones."""

from __future__ import annotations

from typing import Any, Final

from v6.errors import Diagnostic
from v6.lang import source
from v6.lang.desk import CREDITS
from v6.model.position import StructureKind

_WINGS: Final = ("width", "width_ratio", "wing_delta")


def check_shape(root: source.Mapping) -> list[Diagnostic]:
    """Return what is wrong with strikes and prices of a schema-valid strategy file, for the structure it opens."""
    kind = StructureKind(_text(root, "structure"))
    credit = kind in CREDITS
    own, other = ("short_delta", "long_delta") if credit else ("long_delta", "short_delta")
    bound, not_bound = ("min_credit_ratio", "max_debit_ratio") if credit else ("max_debit_ratio", "min_credit_ratio")
    word = f"{kind} is opened for a {'credit' if credit else 'debit'}"
    strikes, entry = root.get("strikes"), root.get("entry")
    assert isinstance(strikes, source.Mapping)
    assert isinstance(entry, source.Mapping)
    found = [
        Diagnostic(node.key_span(key), "bad-value", f"{word}: no `{key}` belongs here", f"use {instead}")
        for node, key, instead in ((strikes, other, own), (entry, not_bound, bound))
        if node.get(key) is not None
    ]
    if found:
        return found
    for keys, what in (((own, "distance"), "the anchor"), (_WINGS, "the wing")):
        given = [key for key in keys if strikes.get(key) is not None]
        if len(given) != 1:
            spelt = "nothing says" if not given else f"{' and '.join(given)} both say"
            hint = f"give one of {', '.join(keys)}"
            found.append(Diagnostic(root.key_span("strikes"), "bad-value", f"{spelt} where {what} is", hint))
    if entry.get(bound) is None:
        found.append(Diagnostic(root.key_span("entry"), "missing-key", f"`{bound}` is missing in `entry`", f"{word}"))
    return found or _nearer(strikes, own)


def _nearer(strikes: source.Mapping, own: str) -> list[Diagnostic]:
    anchor, wing = _number(strikes, own), _number(strikes, "wing_delta")
    if anchor is None or wing is None or wing < anchor:
        return []
    text = f"the wing's delta {wing:g} is not below the anchor's {anchor:g}, so it is not beyond it"
    return [Diagnostic(strikes.key_span("wing_delta"), "out-of-range", text)]


def _number(node: source.Mapping, key: str) -> float | None:
    child = node.get(key)
    value: Any = None if child is None else source.plain(child)
    return None if value is None else float(value)


def _text(node: source.Mapping, key: str) -> str:
    child = node.get(key)
    assert child is not None
    return str(source.plain(child))
