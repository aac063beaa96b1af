"""Moments as clients and TWS write them."""

from __future__ import annotations

from datetime import UTC, datetime

from v6.paper.codec import Malformed
from v6.pricing.calendar import NEW_YORK


def moment(field: str, name: str = "endDateTime") -> datetime | None:
    """Return a client's moment, None for an empty field.

    `20241220-21:00:00` and `20241220 21:00:00 UTC` are UTC, `20241220 16:00:00 US/Eastern` and a moment without a zone
    are New York; Malformed for anything else.
    """
    if not field:
        return None
    zone = UTC if "-" in field or field.endswith("UTC") else NEW_YORK
    try:
        return datetime.strptime(field.replace("-", " ")[:17], "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
    except ValueError:
        raise Malformed(f"{name} {field!r}") from None
