"""What is wrong with a process right now: its parts report, /readyz and the log tell."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Health:
    """The problems of a process' parts. Safe for use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}

    def report(self, part: str, problem: str | None) -> None:
        """Say how a part is: one sentence, or None when it is well.

        part: a short, stable name, such as `store`. A change is logged once.
        """
        with self._lock:
            before = self._problems.pop(part, None)
            if problem is not None:
                self._problems[part] = problem
        if problem is not None and problem != before:
            log.warning("trouble", extra={"part": part, "problem": problem})
        elif problem is None and before is not None:
            log.info("well again", extra={"part": part})

    def problems(self) -> Mapping[str, str]:
        """Every part that is not well, with what is wrong."""
        with self._lock:
            return dict(self._problems)
