"""The loop, the real sender and python-telegram-bot at a Bot API that misbehaves."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.simulator import troubles
from bot.simulator.troubles import AnyTrouble, Orders
from bot.telegram_sender import PHOTO
from fleetpulse.alerts import AlertEvent
from fleetpulse.policy import AMONG
from fleetpulse.stores import open_store
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Progress, Store
from tests.contracts.builders import NOON, SECOND, an_episode, an_event
from tests.unit.delivery.telegram_bench import PREFIX, TelegramBench

ADA, BOB, GROUP, SUPERGROUP = 1, 2, -7, -1_001_234_567_890
# An alert is one message, and an answer to it when it got worse; both say how it ended.
OVER = ["has recovered", "has recovered"]
TOLD = {Progress.SENT, Progress.FOLDED}


@pytest.fixture(autouse=True)
def _new_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the process sets it: without it python-telegram-bot warns at every wait."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


def a_bench(folder: Path, store: Store | None = None) -> TelegramBench:
    """Chats of two people and of a group, in which nothing has happened yet."""
    bench = TelegramBench(folder, store or MemoryStore(), [ADA, BOB, GROUP])
    bench.process.step()
    return bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[TelegramBench]:
    with closing(a_bench(tmp_path)) as bench:
        yield bench


def words(bench: TelegramBench, chat_id: int) -> list[str]:
    """What the first line of each message says of the device."""
    return [text.splitlines()[0].split(" ", 2)[2] for text in bench.texts(chat_id)]


def test_a_chat_that_has_had_too_much_waits_alone_and_as_long_as_it_says(
    bench: TelegramBench,
) -> None:
    bench.troubles.add(troubles.TooManyRequests(chat_id=ADA, retry_after_s=30, times=1))
    bench.happen(*an_episode(at=NOON - 240 * SECOND))

    bench.later(1)
    others_at_once = [words(bench, BOB), words(bench, GROUP)]
    bench.settle(29)
    before = words(bench, ADA)
    bench.later(1)

    assert others_at_once == [OVER, OVER]
    assert before == []
    assert words(bench, ADA) == OVER
    assert "too_early" not in bench.troubles.journal.counts()["sendPhoto"]


@pytest.mark.parametrize("chat_id", [ADA, GROUP])
def test_a_chat_that_wants_no_bot_is_switched_off(bench: TelegramBench, chat_id: int) -> None:
    bench.troubles.add(troubles.Forbidden(chat_id=chat_id))
    soon, stressed, recovered = an_episode(at=NOON)
    target = f"{PREFIX}{chat_id}"
    bench.happen(soon)
    bench.later(1)

    bench.happen(stressed, recovered)
    bench.later(1)

    chat = bench.store.chats.get(target)
    assert chat is not None
    assert not chat.active
    given_up = bench.delivery_of(soon, target)
    assert given_up.progress is Progress.FAILED
    assert (given_up.error or "").startswith("Forbidden: bot was ")
    calls = bench.troubles.journal.records()
    assert [call.outcome for call in calls if call.chat_id == chat_id] == ["forbidden"]
    told = [each for each in words(bench, BOB) if "can no longer be reached" not in each]
    assert told == OVER
    assert any("can no longer be reached" in text for text in bench.texts(BOB))


def test_a_group_that_becomes_a_supergroup_is_told_on_there(bench: TelegramBench) -> None:
    soon, stressed, recovered = an_episode(at=NOON)
    bench.happen(soon)
    bench.later(1)
    bench.troubles.add(troubles.Migrated(chat_id=GROUP, to=SUPERGROUP))

    bench.happen(stressed)
    bench.settle(2)
    bench.happen(recovered)
    bench.settle(2)

    assert words(bench, GROUP) == ["will soon be stressed"]
    assert words(bench, SUPERGROUP) == ["has recovered"]
    assert words(bench, ADA) == OVER


def test_a_message_whose_answer_is_lost_comes_twice_and_no_other(bench: TelegramBench) -> None:
    soon, stressed, recovered = an_episode(at=NOON)
    bench.troubles.add(troubles.AnswerLost(chat_id=ADA, times=1))

    for event in (soon, stressed, recovered):
        bench.happen(event)
        bench.settle(5)

    assert words(bench, ADA) == ["will soon be stressed", *OVER]
    assert (words(bench, BOB), words(bench, GROUP)) == (OVER, OVER)
    assert bench.troubles.journal.answers_lost == 1


def test_a_change_whose_answer_is_lost_is_made_twice_and_seen_once(bench: TelegramBench) -> None:
    soon, stressed, recovered = an_episode(at=NOON)
    bench.happen(soon)
    bench.settle(2)
    bench.troubles.add(troubles.AnswerLost(chat_id=ADA, times=1))

    for event in (stressed, recovered):
        bench.happen(event)
        bench.settle(5)

    assert words(bench, ADA) == OVER
    edits = [
        call
        for call in bench.troubles.journal.records()
        if call.chat_id == ADA and call.method == "editMessageCaption"
    ]
    assert [call.is_answered for call in edits] == [False, True, True, True]


@pytest.mark.parametrize(
    "trouble",
    [troubles.CallLost(times=3), troubles.BadGateway(times=3), troubles.BadGateway(code=500)],
    ids=str,
)
def test_what_did_not_arrive_comes_later_and_once(
    bench: TelegramBench, trouble: AnyTrouble
) -> None:
    bench.troubles.add(trouble)
    bench.happen(*an_episode(at=NOON))

    bench.settle(10)
    bench.troubles.end()
    bench.settle(60)

    assert [words(bench, chat_id) for chat_id in (ADA, BOB, GROUP)] == [OVER] * 3


def memory_store(_folder: Path) -> Store:
    return MemoryStore()


def sqlite_store(folder: Path) -> Store:
    return open_store(f"sqlite:///{folder / 'fleetpulse.db'}")


each_store = pytest.mark.parametrize("make_store", [memory_store, sqlite_store])


@each_store
def test_an_hour_without_telegram_ends_in_one_summary_per_chat(
    tmp_path: Path, make_store: Callable[[Path], Store]
) -> None:
    bench = a_bench(tmp_path, make_store(tmp_path))
    happened: list[AlertEvent] = []

    with closing(bench):
        with bench.server.away():
            for minute in range(60):
                if minute < 40 and minute % 5 == 0:
                    events = an_episode(f"pi-{minute}", at=bench.clock.now_ms())
                    bench.happen(*events)
                    happened += events
                for _ in range(2):
                    bench.later(30)
        bench.settle(180)

        for chat_id in (ADA, BOB, GROUP):
            (text,) = bench.texts(chat_id)
            assert "While you were away: 24 events" in text
        assert len(happened) == 24
        assert {each.progress for each in bench.deliveries(happened)} == TOLD


def mixture(share: float) -> list[AnyTrouble]:
    """All that passes, each met by its part of the calls."""
    part = share / 5
    return [
        troubles.TooManyRequests(share=part, retry_after_s=7),
        troubles.BadGateway(share=part),
        troubles.CallLost(share=part, after_s=2),
        troubles.AnswerLost(share=part, after_s=2),
        troubles.Slow(share=part, seconds=1),
    ]


@each_store
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.05, 0.05, 0.5]),
    pauses=st.lists(st.integers(0, 6), min_size=5, max_size=25),
)
def test_a_mixture_of_troubles_loses_nothing_and_repeats_only_what_was_not_answered(
    make_store: Callable[[Path], Store], seed: int, share: float, pauses: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = a_bench(Path(folder), make_store(Path(folder)))
        with closing(bench):
            bench.troubles.replace(Orders(troubles=mixture(share), seed=seed, limits=True))
            happened = []
            for number, pause_s in enumerate(pauses):
                event = an_event(device_id=f"pi-{number}", at=bench.clock.now_ms())
                bench.happen(event)
                happened.append(event)
                bench.settle(pause_s)
            bench.settle(60)
            bench.troubles.end()
            bench.settle(150)

            check_all_is_told_and_only_the_unanswered_twice(bench, happened)


def check_all_is_told_and_only_the_unanswered_twice(
    bench: TelegramBench, happened: list[AlertEvent]
) -> None:
    """Messages and deliveries know each other by chat and message id."""
    deliveries = bench.deliveries(happened)
    made = {(f"{PREFIX}{call.chat_id}", str(call.message_id)): call for call in bench.made()}
    told = {
        (each.target, str(each.message_id).removeprefix(AMONG).removesuffix(PHOTO))
        for each in deliveries
    }
    assert len(deliveries) == len(happened) * 3
    assert {each.progress for each in deliveries} <= TOLD
    assert told <= set(made)
    assert {key for key, call in made.items() if not call.is_answered} == set(made) - told
