"""Write docs/conformance.md from the scenarios: `python -m tests.conformance.table`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.conformance.catalogue import ALL
from tests.conformance.scenarios import BOTH, Scenario
from v6.paper.layouts import MESSAGE_NAMES, REQUEST_NAMES
from v6.paper.refusals import REFUSALS
from v6.paper.session import SERVER_VERSION

PATH = Path(__file__).parents[2] / "docs" / "conformance.md"

HEAD = f"""# What the paper gateway answers

Generated from `tests/conformance` by `python -m tests.conformance.table`; a test fails when it is stale.

The gateway speaks server version {SERVER_VERSION}. Every scenario below is played by ib_async 2.1 (in virtual
time) and by the official Python client, `ibapi-stable` 10.50 (over TCP); both must hear exactly these messages, read
by their own decoders. Two clients that agree prove the layout, not a real gateway's behaviour: what a request *means*
is our reading of published documentation and captures.

- **answered**: the messages that come. `nothing` is a request to which the protocol has no reply.
- **refused with**: the error codes of requests that cannot be served. An error carries the request's id where it has
  one. `requestFA` and `reqMarketRule` have none, so ib_async goes on waiting for them, as it does with TWS; it takes
  321 for a warning and goes on waiting then too.
- A request outside the list, or one that does not follow its layout, is refused with 320. Noise that is no message
  gets 507 and the end of the connection, a client that does not speak 178 gets 503, a client id in use 326.
"""


def _cell(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _codes(scenarios: Sequence[Scenario]) -> str:
    return ", ".join(str(code) for code in sorted({code for s in scenarios for code in s.codes}))


def _answers(scenarios: Sequence[Scenario]) -> str:
    named = {name for s in scenarios for name in s.answers}
    if not named and any(not s.codes for s in scenarios):
        return "nothing"
    return _cell([name for name in MESSAGE_NAMES.values() if name in named])


def _requests() -> list[str]:
    lines = ["| id | request | answered | refused with | tried by |", "|---:|---|---|---|---|"]
    for number, name in REQUEST_NAMES.items():
        of = [s for s in ALL if s.request == name]
        clients = ", ".join(c for c in BOTH if any(c in s.clients for s in of))
        lines.append(f"| {number} | {name} | {_answers(of)} | {_codes(of)} | {clients} |")
    return lines


def _scenarios() -> list[str]:
    lines = ["| request | situation | heard |", "|---|---|---|"]
    for s in ALL:
        heard = [_cell(s.answers), *(f"error {code}" for code in s.codes)]
        lines.append(f"| {s.request} | {s.title} | {', '.join(h for h in heard if h) or 'nothing'} |")
    return lines


def _refused() -> list[str]:
    lines = ["| id | request | code | text |", "|---:|---|---:|---|"]
    for number, refusal in REFUSALS.items():
        lines.append(f"| {number} | {REQUEST_NAMES[number]} | {refusal.code} | {refusal.text} |")
    return lines


def table() -> str:
    """Return the document."""
    parts = [
        HEAD,
        f"## By request ({len(REQUEST_NAMES)})\n",
        *_requests(),
        "\n## Requests that are always refused\n",
        *_refused(),
        f"\n## By situation ({len(ALL)})\n",
        *_scenarios(),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PATH.write_text(table(), encoding="utf-8")
