"""The verdicts of all rules on a row in a few integers, so that a query carries all at the price of one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from v6.lang.desk import Rule
from v6.model.catalogue import Scope

SIZE: Final = 31
"""Rules of a word: bit i tells that rule i holds, bit i + SIZE that it is unknown; with neither it is false."""

_LOW: Final = (1 << SIZE) - 1


class Words:
    """Columns word0, word1, ... of BIGINT; a rule is false on the rows of the other scope."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.names = [f"word{place}" for place in range(-(-len(rules) // SIZE))]

    def coded(self, bits: Collection[int], *, add: bool) -> Iterator[str]:
        """Yield the words from verdict{bit} of some rules; the others are false, or with `add` as they were."""
        for place, name in enumerate(self.names):
            mine = [bit for bit in bits if bit // SIZE == place]
            # Plain sums of two-armed choices: measured the quickest, casts and coalesce cost several times as much.
            arms = (
                f"CASE WHEN verdict{bit} THEN {_true(bit)} WHEN verdict{bit} IS NULL THEN {_null(bit)} ELSE 0 END"
                for bit in mine
            )
            scoped = {scope: sum(_true(b) | _null(b) for b in mine if self.rules[b].scope is scope) for scope in Scope}
            there = f"CASE WHEN key = '' THEN {scoped[Scope.PORTFOLIO]} ELSE {scoped[Scope.POSITION]} END"
            text = f"(({' + '.join(arms)}) & {there})" if mine else "0::BIGINT"
            yield f"{name} + {text} AS {name}" if add else f"{text} AS {name}"

    def holds(self, bit: int) -> str:
        """Return where the rule's verdict is true."""
        return f"({self.names[bit // SIZE]} & {_true(bit)}) <> 0"

    def lacks(self, bit: int, prefix: str = "") -> str:
        """Return where the rule's verdict is unknown, by the columns of that prefix."""
        return f"({prefix}{self.names[bit // SIZE]} & {_null(bit)}) <> 0"

    def verdict(self, bit: int) -> str:
        """Return the verdict: true, false or NULL."""
        return f"CASE WHEN {self.holds(bit)} THEN TRUE WHEN {self.lacks(bit)} THEN NULL ELSE FALSE END"

    def known(self, bits: Iterable[int]) -> list[str]:
        """Return conditions of which one is met where the verdict of one of the rules is true."""
        return self._tests({bit: _true(bit) for bit in bits})

    def unknown(self, bits: Iterable[int]) -> list[str]:
        """Return conditions of which one is met where the verdict of one of the rules is unknown."""
        return self._tests({bit: _null(bit) for bit in bits})

    def _tests(self, wanted: dict[int, int]) -> list[str]:
        masks: dict[str, int] = {}
        for bit, mask in wanted.items():
            name = self.names[bit // SIZE]
            masks[name] = masks.get(name, 0) | mask
        return [f"({name} & {mask}) <> 0" for name, mask in masks.items()]

    def fired(self, without: Collection[int] = ()) -> str:
        """Return the mask of the rules whose verdict is true."""
        left = [sum(_true(bit) for bit in without if bit // SIZE == place) for place in range(len(self.names))]
        terms = (f"(({name} & {_LOW & ~left[place]}) << {place * SIZE})" for place, name in enumerate(self.names))
        return " + ".join(terms) or "0::BIGINT"

    def missing(self) -> str:
        """Return the mask of the rules whose verdict is unknown."""
        terms = (f"(({name} >> {SIZE}) << {place * SIZE})" for place, name in enumerate(self.names))
        return " + ".join(terms) or "0::BIGINT"


def any_of(tests: Iterable[str]) -> str:
    """Return where one of the conditions is met; none is nowhere."""
    return " OR ".join(tests) or "FALSE"


def _true(bit: int) -> int:
    return 1 << bit % SIZE


def _null(bit: int) -> int:
    return 1 << bit % SIZE + SIZE
