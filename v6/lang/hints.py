"""Did-you-mean for names people mistype."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

_CLOSE: Final = 0.6


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint naming the closest known word, or an empty string when none is close."""
    return _hint(word, tuple(known))


@lru_cache(maxsize=256)
def _hint(word: str, known: tuple[str, ...]) -> str:
    """Return the hint; who mistypes a name mistypes it everywhere."""
    close = get_close_matches(word, [name for name in known if _may_be_close(word, name)], n=1, cutoff=_CLOSE)
    return f"did you mean `{close[0]}`?" if close else ""


def _may_be_close(word: str, name: str) -> bool:
    """Tell whether difflib's ratio can reach the limit at all, so that a thousand mistakes are answered quickly."""
    mine, its = _letters(word), _letters(name)
    matching = min(len(word) - (mine & ~its).bit_count(), len(name) - (its & ~mine).bit_count())
    return 2 * matching >= _CLOSE * (len(word) + len(name))


@lru_cache(maxsize=4096)
def _letters(word: str) -> int:
    """Return the set of the word's letters as bits; letters may share one, which only makes words look closer."""
    bits = 0
    for letter in word[:200]:
        bits |= 1 << (ord(letter) & 127)
    return bits
