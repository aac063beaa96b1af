"""The gate every order passes: pure, and the only maker of `Approved`."""

from v6.risk.gate import Approved, Book, Denied, review

__all__ = ["Approved", "Book", "Denied", "review"]
