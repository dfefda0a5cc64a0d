"""What `fleetpulse up` says of parts that run and are not well: their /readyz is asked."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping

LOOK_S = 5.0
LONG_S = 20.0  # a problem that is over sooner is not told
ANSWER_S = 1.0

Ask = Callable[[int], Mapping[str, str] | None]


def problems_at(port: int) -> Mapping[str, str] | None:
    """What is wrong with the process that answers there, by part; None: it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        found = json.loads(connection.getresponse().read())["problems"]
        return {str(part): str(problem) for part, problem in found.items()}
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        return None
    finally:
        connection.close()


class Readiness:
    """Asks each part and says what is wrong for long, and that it is over.

    ports: where the parts answer, by name. A part that does not answer starts, or has ended: others
    say that.
    """

    def __init__(
        self,
        ports: Mapping[str, int],
        say: Callable[[str], None],
        *,
        ask: Ask = problems_at,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ports, self._say, self._ask, self._now = ports, say, ask, now
        self._looked_at = now()
        self._since: dict[tuple[str, str], float] = {}  # (process, part) that is not well
        self._told: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Ask, if it is time."""
        now = self._now()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        for process, port in self._ports.items():
            problems = self._ask(port)
            if problems is not None:
                self._judge(process, problems, now)

    def _judge(self, process: str, problems: Mapping[str, str], now: float) -> None:
        for part, problem in problems.items():
            key = (process, part)
            since = self._since.setdefault(key, now)
            if now - since >= LONG_S and key not in self._told:
                self._told.add(key)
                self._say(f"{process} is not well: {problem}")
        for key in [key for key in self._since if key[0] == process and key[1] not in problems]:
            del self._since[key]
            if key in self._told:
                self._told.discard(key)
                self._say(f"{process} is well again ({key[1]}).")
