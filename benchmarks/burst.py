"""A thousand devices in trouble at once: how many messages one chat gets, and when the first.

`python -m benchmarks.burst [--devices 1000] [--within 5] [--postgresql]`

The Bot API is one process, the bot another. The devices become stressed evenly within some seconds,
as after a power cut; what counts is the first minute.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bot_api import BotApi, bot, bot_api
from benchmarks.deliveries import store_at
from bot.simulator.calls import Record
from bot.simulator.troubles import Orders
from fleetpulse.alerts import State
from fleetpulse.stores.protocols import Store
from tests.contracts.builders import an_event, told
from tests.services.missing import Unavailable

CHAT = 100
FIRST_MINUTE_S = 60.0
SAVES = 50  # as many batches bring the events


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--within", type=float, default=5.0, help="s in which all get stressed (5)")
    parser.add_argument("--postgresql", action="store_true", help="and not SQLite")
    arguments = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with (
                store_at(folder, postgresql=arguments.postgresql) as (url, store),
                bot_api(folder / "api", [CHAT]) as api,
                bot(folder / "bot", api, url, [CHAT]),
            ):
                api.tell(Orders(limits=True))
                measure(store, api, arguments.devices, arguments.within)
    except Unavailable as problem:
        print(f"This needs PostgreSQL: {problem}.", file=sys.stderr)
        return 1
    return 0


def measure(store: Store, api: BotApi, devices: int, within_s: float) -> None:
    """Let it happen, and print what the chat got in the first minute."""
    begin = time.time()
    for batch in range(SAVES):
        time.sleep(max(0.0, begin + batch * within_s / SAVES - time.time()))
        now = time.time_ns() // 1_000_000
        names = range(batch * devices // SAVES, (batch + 1) * devices // SAVES)
        stressed = [an_event(State.STRESSED, device_id=f"pc-{n:05}", at=now) for n in names]
        store.save(told(*stressed, stored_at=now))
    time.sleep(max(0.0, begin + FIRST_MINUTE_S - time.time()))
    made = [call for call in api.calls() if call.is_sent]
    print(f"{devices:,} devices stressed within {within_s:g} s")
    print(f"  messages in the first minute: {len(made)}, devices told of: {told_of(made):,}")
    for call in made:
        print(f"  {call.at / 1000 - begin:6.2f} s  {call.text.splitlines()[0][:70]}")


def told_of(made: Sequence[Record]) -> int:
    """How many devices these messages name or count."""
    counts = [re.search(r"([\d,]+) devices? at once", call.text) for call in made]
    return sum(1 if found is None else int(found[1].replace(",", "")) for found in counts)


if __name__ == "__main__":
    sys.exit(main())
