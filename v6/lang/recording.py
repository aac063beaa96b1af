"""What the desk records for itself: `recording.yaml` at the top of a desk; without it nothing is recorded."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from jsonschema import Draft7Validator

from v6.errors import Diagnostic, Span
from v6.lang import source
from v6.lang.hints import did_you_mean
from v6.lang.schema import _VERSION, Schema, _diagnostics, _object
from v6.model.contract import SecType
from v6.model.recording import Band, RecordingPlan, Watched

RECORDING: Final = "recording.yaml"

_SYMBOL: Final[Schema] = {"type": "string", "pattern": "^[A-Z][A-Z0-9 .]{0,15}$", "description": "IB's name"}
_KINDS: Final = [SecType.INDEX.value, SecType.STOCK.value, SecType.FUTURE.value]


def recording_schema() -> Schema:
    """Return the schema of recording.yaml."""
    days = {"type": "integer", "minimum": 0, "maximum": 1000, "description": "calendar days to expiry"}
    kind = {"enum": _KINDS, "description": "of a FUT the front month is recorded"}
    watched = _object({"symbol": _SYMBOL, "sec_type": kind, "exchange": _SYMBOL})
    strikes = {"type": "number", "minimum": 0.001, "maximum": 1, "description": "distance from the price, 0.1: 10 %"}
    chain = _object(
        {"symbol": _SYMBOL, "trading_class": _SYMBOL, "dte_min": days, "dte_max": days, "strikes": strikes}
    )
    return _object(
        {
            "version": _VERSION,
            "every_s": {
                "type": "integer",
                "minimum": 60,
                "maximum": 86400,
                "description": "seconds from the start of one sweep to the next, counted from the opening",
            },
            "watched": {"type": "array", "items": watched, "minItems": 1, "maxItems": 20},
            "chains": {"type": "array", "items": chain, "maxItems": 10},
        }
    )


@cache
def _validator() -> Draft7Validator:
    return Draft7Validator(recording_schema())


def read_recording(text: str, file: str = RECORDING) -> tuple[RecordingPlan | None, list[Diagnostic]]:
    """Return what the file says, or every mistake in it in the order of the file."""
    root = source.read(file, text)
    if isinstance(root, Diagnostic):
        return None, [root]
    plain: Any = source.plain(root)
    found = [d for error in _validator().iter_errors(plain) for d in _diagnostics(error, root)]
    if found:
        return None, _in_order(found)
    watched = tuple(Watched(w["symbol"], SecType(w["sec_type"]), w["exchange"]) for w in plain["watched"])
    chains = tuple(
        Band(c["symbol"], c["trading_class"], c["dte_min"], c["dte_max"], float(c["strikes"])) for c in plain["chains"]
    )
    known = {w.symbol for w in watched if w.sec_type is not SecType.FUTURE}
    for number, chain in enumerate(chains):
        if chain.symbol not in known:
            message = f"the underlying {chain.symbol} is not in `watched`, so no strikes can be chosen"
            hint = did_you_mean(chain.symbol, known) or f"add {chain.symbol} to `watched` as IND or STK"
            found.append(Diagnostic(_place(root, number, "symbol"), "bad-value", message, hint))
        if chain.dte_min > chain.dte_max:
            message = f"`dte_min` {chain.dte_min} is above `dte_max` {chain.dte_max}, so no expiry is between them"
            found.append(Diagnostic(_place(root, number, "dte_min"), "bad-value", message, "swap them"))
    return (None, _in_order(found)) if found else (RecordingPlan(plain["every_s"], watched, chains), [])


def _in_order(found: list[Diagnostic]) -> list[Diagnostic]:
    return sorted(found, key=lambda d: (d.span, d.message))


def _place(root: source.Node, number: int, key: str) -> Span:
    """Return where the value of a chain's key stands, in a file that has passed the schema."""
    chains = root.get("chains") if isinstance(root, source.Mapping) else None
    assert isinstance(chains, source.Sequence)
    chain = chains.items[number]
    value = chain.get(key) if isinstance(chain, source.Mapping) else None
    assert value is not None
    return value.span
