"""Mistakes of a user are `Diagnostic` values with a place; everything that stops V6 is a `V6Error`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file; line and column count from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a user's file."""

    span: Span
    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.span}: {self.code}: {self.message}{hint}"


class V6Error(Exception):
    """Base of every error V6 raises on purpose; its text is fit to show to a user."""


class ConfigError(V6Error):
    """Files of the desk that cannot be used; carries all diagnostics, not only the first."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(d) for d in self.diagnostics))


class BrokerError(V6Error):
    """The broker refused, or did not answer in time."""


class StoreError(V6Error):
    """The journal or a table is not in the state it must be in."""
