"""Account ids out of a recording: each becomes another of the same length, so that no length on the wire changes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# Ids of individuals, advisors, family clients and paper accounts, before the gateway has named its own.
_LOOKS_LIKE: Final = rb"(?:DU|DF|DI|U|F|I)[A-Z]{0,2}\d{5,9}"
_PREFIX = re.compile(rb"[A-Za-z]*")


class Mask:
    """Replaces account ids, `DU1234567` by `DU0000001`: the prefix stays, ids that differ stay different."""

    def __init__(self) -> None:
        self._masked: dict[bytes, bytes] = {}
        self._pattern = self._compile()

    def learn(self, accounts: Iterable[str]) -> None:
        """Mask these too, whatever they look like."""
        for account in accounts:
            if account:
                self._new(account.encode())
        self._pattern = self._compile()

    def apply(self, wire: bytes) -> bytes:
        """Return bytes of the same length without the ids."""
        return self._pattern.sub(lambda found: self._new(found[0]), wire)

    def _new(self, account: bytes) -> bytes:
        # What is masked already is left: a recording may be recorded again.
        if account not in self._masked and account not in self._masked.values():
            prefix = _PREFIX.match(account)
            kept = prefix[0] if prefix is not None and len(prefix[0]) < len(account) else b""
            digits = str(len(self._masked) + 1).encode().rjust(len(account) - len(kept), b"0")
            self._masked[account] = kept + digits[-(len(account) - len(kept)) :]
        return self._masked.get(account, account)

    def _compile(self) -> re.Pattern[bytes]:
        exact = [re.escape(account) for account in sorted(self._masked, key=len, reverse=True)]
        return re.compile(rb"(?<![A-Za-z0-9])(?:" + b"|".join([*exact, _LOOKS_LIKE]) + rb")(?![0-9])")
