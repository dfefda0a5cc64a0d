"""2,000 events for 50 chats on a Bot API that misbehaves: what is lost, doubled and late.

`python -m benchmarks.deliveries [--hang 25] [--seconds 140] [--postgresql]`

The Bot API is one process, the bot another; each event is for one chat. In 5 % of calls the Bot
API asks for time, answers as a gateway in HTML, breaks the connection before or after the message
was taken, or is slow; it keeps Telegram's limits; two chats ask for 30 s, and one group becomes
another. A message is known by its chat and id on both sides: lost is an event whose delivery names
no message that the Bot API took, doubled a message that no delivery names.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar

from benchmarks.bot_api import BotApi, bot, bot_api
from bot.simulator import troubles
from bot.simulator.calls import Record
from bot.simulator.troubles import AnyTrouble, Orders
from bot.telegram_sender import PHOTO
from fleetpulse.alerts import State
from fleetpulse.people import People, Preferences
from fleetpulse.policy import AMONG
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Progress, Store
from tests.contracts.builders import an_event, told
from tests.services.missing import Unavailable
from tests.services.postgres import Postgres

EVENTS = 2_000
SHARE = 0.05
PEOPLE = [100 + number for number in range(35)]
GROUPS = [-200 - number for number in range(15)]
CHATS = PEOPLE + GROUPS
STOPPED, STOPPED_S = [PEOPLE[0], GROUPS[0]], 30  # chats that ask for time once, and for how long
STOP_AT = 0.3  # of the events
MOVED, MOVED_TO = GROUPS[1], -1_001_234_567_890
MOVE_AT = 0.5
NEVER = 2**53  # Unix ms
LAST_S = 30.0  # for what still waits when the last event has happened
DISTURBED_MS = 30_000  # what piled up behind a call that failed is told by then
GATHERED = ("🔔", "🕰")  # what a message for many events begins with
TOLD = {Progress.SENT, Progress.FOLDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An event that one chat is to hear of."""

    event_id: str
    device_id: str
    chat_id: int
    at: int  # when it was stored, Unix ms


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hang", type=float, default=25.0, help="s until a lost call breaks (25)")
    parser.add_argument("--seconds", type=float, default=140.0, help="over which events happen")
    parser.add_argument("--postgresql", action="store_true", help="and not SQLite")
    arguments = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with store_at(folder, postgresql=arguments.postgresql) as (url, store):
                is_well = measure(folder, url, store, arguments.seconds, arguments.hang)
    except Unavailable as problem:
        print(f"This needs PostgreSQL: {problem}.", file=sys.stderr)
        return 1
    return 0 if is_well else 1


@contextmanager
def store_at(folder: Path, *, postgresql: bool) -> Iterator[tuple[str, Store]]:
    """An empty store, and its address."""
    if not postgresql:
        url = f"sqlite:///{folder / 'fleetpulse.db'}"
        with closing(open_store(url)) as store:
            yield url, store
        return
    # Its user may not enter the folders of ours.
    with (
        tempfile.TemporaryDirectory() as own,
        Postgres(Path(own)) as server,
        server.database() as name,
        closing(open_store(server.url(name))) as store,
    ):
        yield server.url(name), store


def measure(folder: Path, url: str, store: Store, seconds: float, hang_s: float) -> bool:
    """Let it all happen, and print what came of it; whether nothing was lost or doubled by us."""
    preferences = People(store.documents).preferences
    for chat_id in CHATS:
        preferences.put(target(chat_id), Preferences(only=[f"{room(chat_id)}-*"], repeat_s=0))
    with bot_api(folder / "api", CHATS) as api, bot(folder / "bot", api, url, CHATS):
        begin = time.monotonic()
        orders = mixture(hang_s)
        api.tell(Orders(troubles=orders, limits=True, seed=1))
        planned = plan_all(store, api, seconds, orders)
        waiting = wait_for_the_last(store)
        took_s = time.monotonic() - begin
        calls = api.calls()
        return report(store, planned, calls, api.counts(), took_s=took_s, waiting=waiting)


def target(chat_id: int) -> str:
    """The chat's name in the store."""
    return f"telegram:{chat_id}"


def room(chat_id: int) -> str:
    """What the names of the devices begin with that this chat hears of."""
    return f"room{abs(chat_id)}"


def mixture(hang_s: float) -> list[AnyTrouble]:
    """What goes wrong in 5 % of calls, and of polls."""
    part = SHARE / 8
    return [
        troubles.TooManyRequests(share=part, retry_after_s=3),
        troubles.BadGateway(share=part, code=502),
        troubles.BadGateway(share=part, code=500),
        troubles.CallLost(share=part),
        troubles.CallLost(share=part, after_s=hang_s),
        troubles.AnswerLost(share=part),
        troubles.AnswerLost(share=part, after_s=hang_s),
        troubles.Slow(share=part, seconds=2),
        troubles.SecondPoller(share=SHARE),
    ]


def plan_all(
    store: Store, api: BotApi, seconds: float, orders: Sequence[AnyTrouble]
) -> list[Planned]:
    """Let the events happen, evenly over time, and each chat in turn have one."""
    rng = random.Random(3)
    turns = [chat_id for _ in range(EVENTS // len(CHATS)) for chat_id in rng.sample(CHATS, 50)]
    stops = [
        troubles.TooManyRequests(chat_id=chat_id, retry_after_s=STOPPED_S, times=1)
        for chat_id in STOPPED
    ]
    moves = [troubles.Migrated(chat_id=MOVED, to=MOVED_TO)]
    extra: dict[int, Sequence[AnyTrouble]] = {
        round(STOP_AT * EVENTS): stops,
        round(MOVE_AT * EVENTS): moves,
    }
    planned: list[Planned] = []
    begin = time.monotonic()
    with Bar(console=Console(stderr=True), transient=not sys.stderr.isatty()) as bar:
        for number, chat_id in bar.track(list(enumerate(turns)), description="events"):
            if number in extra:
                api.tell(Orders(troubles=[*extra[number], *orders], limits=True, seed=number))
            time.sleep(max(0.0, begin + number * seconds / EVENTS - time.monotonic()))
            planned.append(plan(store, number, chat_id))
    return planned


def plan(store: Store, number: int, chat_id: int) -> Planned:
    """One event happens, and one chat is to hear of it."""
    now = time.time_ns() // 1_000_000
    device_id = f"{room(chat_id)}-{number:04d}"
    event = an_event(State.STRESSED, device_id=device_id, kind="pc", at=now, value=97.0, limit=90.0)
    store.save(told(event, stored_at=now))
    return Planned(event_id=event.event_id, device_id=device_id, chat_id=chat_id, at=now)


def wait_for_the_last(store: Store) -> int:
    """How many still wait when all is told, or the time is over."""
    end = time.monotonic() + LAST_S
    while waiting := len(store.deliveries.due("telegram:", NEVER, limit=EVENTS)):
        if time.monotonic() > end:
            break
        time.sleep(0.5)
    return waiting


def report(
    store: Store,
    planned: Sequence[Planned],
    calls: Sequence[Record],
    counts: Mapping[str, object],
    *,
    took_s: float,
    waiting: int,
) -> bool:
    """Compare what was planned with what the Bot API took; whether all is as it should be."""
    made = {(call.chat_id, str(call.message_id)): call for call in calls if call.is_sent}
    named: set[tuple[int | None, str]] = set()
    lost, late_s, gathered = [], dict[str, float](), set[str]()
    for each in planned:
        (delivery,) = store.deliveries.of_events([each.event_id])
        ids = str(delivery.message_id).removeprefix(AMONG).removesuffix(PHOTO)
        places = [MOVED, MOVED_TO] if each.chat_id == MOVED else [each.chat_id]
        keys = [key for place in places if (key := (place, ids)) in made]
        if delivery.progress not in TOLD or not keys or not tells(made[keys[0]], each):
            lost.append(each)
            continue
        named.add(keys[0])
        late_s[each.event_id] = (made[keys[0]].at - each.at) / 1000
        if made[keys[0]].text.startswith(GATHERED):
            gathered.add(each.event_id)
    unnamed = [call for key, call in made.items() if key not in named]
    print(f"{len(planned):,} events for {len(CHATS)} chats in {took_s:.0f} s, {waiting} still wait")
    print(f"  messages {len(made):,}; calls {counts['calls']}")
    print(f"  lost {len(lost)}, doubled {len(unnamed)}, answers lost {counts['answers_lost']}")
    by_us = sum(call.is_answered for call in unnamed)
    print(f"  doubled though answered: {by_us}")
    print_times(planned, late_s, gathered, troubled_by_chat(calls))
    return not lost and by_us == 0


def tells(call: Record, planned: Planned) -> bool:
    """Whether the message is about the event; a group of many names or counts it."""
    return planned.device_id in call.text or call.text.startswith(GATHERED)


def troubled_by_chat(calls: Sequence[Record]) -> Mapping[int, Sequence[int]]:
    """When calls for each chat went wrong, Unix ms."""
    found: dict[int, list[int]] = {}
    for call in calls:
        if call.outcome != "ok" and call.chat_id is not None:
            found.setdefault(call.chat_id, []).append(call.at)
    return found


def is_undisturbed(planned: Planned, troubled: Mapping[int, Sequence[int]], told_s: float) -> bool:
    """Whether nothing went wrong in its chat from half a minute before it until it was told."""
    until = planned.at + 1000 * told_s
    return not any(
        planned.at - DISTURBED_MS <= at <= until for at in troubled.get(planned.chat_id, ())
    )


def print_times(
    planned: Sequence[Planned],
    late_s: Mapping[str, float],
    gathered: Collection[str],
    troubled: Mapping[int, Sequence[int]],
) -> None:
    """From the queue to the Bot API, for the chats that asked for 30 s and the others."""
    told = [each for each in planned if each.event_id in late_s]
    others = [each for each in told if each.chat_id not in STOPPED]
    undisturbed = [each for each in others if is_undisturbed(each, troubled, late_s[each.event_id])]
    kinds = {
        "all chats": told,
        f"chats that asked for {STOPPED_S} s": [each for each in told if each not in others],
        "other chats": others,
        "other chats, told one by one": [each for each in others if each.event_id not in gathered],
        "and nothing went wrong there": [
            each for each in undisturbed if each.event_id not in gathered
        ],
    }
    print(f"  {'from the queue to the Bot API, s':<36}{'events':>8}", end="")
    print("".join(f"{name:>8}" for name in ("p50", "p95", "p99", "most")))
    for name, chosen in kinds.items():
        times = [late_s[each.event_id] for each in chosen]
        if len(times) > 1:
            cuts = cuts_of(times)
            row = (cuts[49], cuts[94], cuts[98], max(times))
            print(f"  {name:<36}{len(times):>8,}" + "".join(f"{value:>8.2f}" for value in row))
    by_chat: dict[int, list[float]] = {}
    for each in others:
        by_chat.setdefault(each.chat_id, []).append(late_s[each.event_id])
    p99s = sorted(cuts_of(times)[98] for times in by_chat.values() if len(times) > 1)
    if p99s:
        print(
            f"  p99 of one other chat: median {statistics.median(p99s):.2f}, worst {p99s[-1]:.2f}"
        )


def cuts_of(times: Sequence[float]) -> list[float]:
    """Their hundredths."""
    return statistics.quantiles(times, n=100, method="inclusive")


if __name__ == "__main__":
    sys.exit(main())
