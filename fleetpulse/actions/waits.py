"""How long a channel waits before it is tried again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SLOWLY_S = 300.0  # what only a person can mend: a password, an address
LONGEST_S = 3600.0  # whatever a receiver asks for

Now = Callable[[], int]  # Unix ms


def retry_after_s(asked: str | None, now_ms: int) -> float | None:
    """Seconds to wait by a Retry-After header: a number or a date; None: it says nothing."""
    if asked is None:
        return None
    if asked.strip().isascii() and asked.strip().isdigit():
        seconds = float(asked[:20])
    else:
        try:
            at = parsedate_to_datetime(asked)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds()
    return min(LONGEST_S, max(1.0, seconds))
