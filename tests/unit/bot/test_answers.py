"""Who is answered: chats that are listed or paired. Strangers learn nothing."""

from __future__ import annotations

import pytest

from bot.answers import Answers
from fleetpulse.clock import ManualClock
from fleetpulse.errors import NotifyError
from fleetpulse.pairing import ALL_TRIES_A_MINUTE, TRIES_A_MINUTE, forget, make_code
from fleetpulse.people import People, Person, Role
from fleetpulse.stores.memory import MemoryStore
from tests.contracts.builders import NOON, a_device, a_reading, an_event, scored, told
from tests.unit.delivery.bench import ADA, BOB, Bench

STRANGER = "telegram:666"


class Hall:
    """A store with a device, and chats that come in."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), ManualClock(NOON)
        self.store.save(scored(a_reading(), new_devices=[a_device()]))
        self.store.save(told(an_event()))
        self.answers = Answers(
            store=self.store, clock=self.clock, listed={ADA}, stale_after_ms=30_000
        )

    def say(self, text: str, target: str = STRANGER, name: str = "Eve") -> str:
        return self.answers.to(target, title="a chat", name=name, text=text).text

    def code(self, name: str = "Bob", **fields: object) -> str:
        person = Person(name=name, **fields)  # type: ignore[arg-type]
        return make_code(self.store, person, now_ms=self.clock.now_ms())


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.mark.parametrize(
    "text",
    ["/devices", "/status pi-1", "/ack pi-1:heat:1", "/alerts", "/help", "/start", "hello", ""],
)
def test_a_stranger_learns_nothing_and_leaves_no_trace(hall: Hall, text: str) -> None:
    answer = hall.say(text)

    assert answer.startswith("I do not know this chat.")
    assert "pi-1" not in answer
    assert hall.store.chats.get(STRANGER) is None
    assert hall.store.alerts.page()[0].acknowledged_at is None


@pytest.mark.parametrize("form", ["{}", "/start {}", "/pair {}", " {} "])
def test_a_code_makes_the_chat_its_persons(hall: Hall, form: str) -> None:
    code = hall.code(role=Role.VIEWER)

    hello = hall.say(form.format(code))

    assert hello.startswith("Hello Bob")
    assert "pi-1" in hall.say("/devices")
    assert "this is for owners" in hall.say("/ack pi-1")
    assert [chat.chat_id for chat in hall.store.chats.active()] == [STRANGER]


@pytest.mark.parametrize("form", ["{}", "/pair {}", "/start {}"])
def test_a_chat_that_is_listed_becomes_a_persons_by_a_code(hall: Hall, form: str) -> None:
    code = hall.code(role=Role.VIEWER)

    hello = hall.say(form.format(code), ADA)

    assert hello.startswith("Hello Bob")
    assert "this is for owners" in hall.say("/ack pi-1", ADA)


def test_a_chat_that_is_paired_becomes_anothers_by_a_code(hall: Hall) -> None:
    hall.say(hall.code("Bob"))

    hello = hall.say(hall.code("Carl", owns=["pi-9"]))

    assert hello.startswith("Hello Carl")
    assert "pi-1" not in hall.say("/devices")


def test_codes_are_counted_in_chats_that_are_known_too(hall: Hall) -> None:
    tried = [hall.say("/pair AAAA-AAAA", ADA) for _ in range(TRIES_A_MINUTE + 1)]

    assert all(each.startswith("That code is wrong") for each in tried[:-1])
    assert tried[-1].startswith("Too many codes were tried.")


@pytest.mark.parametrize("text", ["/pair", "/pair me", "/pair K6UU-X88"])
def test_who_pairs_without_a_code_is_told_how_to_get_one(hall: Hall, text: str) -> None:
    assert "fleetpulse chats pair" in hall.say(text, ADA)
    assert "fleetpulse chats pair" in hall.say(text)


def test_a_code_is_read_in_small_letters_and_without_its_hyphen(hall: Hall) -> None:
    assert hall.say(hall.code().lower().replace("-", "")).startswith("Hello Bob")


def test_a_code_works_once(hall: Hall) -> None:
    code = hall.code()
    hall.say(code)

    assert hall.say(code, "telegram:777").startswith("That code is wrong, was used before")
    assert hall.say("/devices", "telegram:777").startswith("I do not know this chat.")


def test_a_code_works_for_ten_minutes(hall: Hall) -> None:
    in_time, too_late = hall.code(), hall.code("Carl")

    hall.clock.advance(599)
    assert hall.say(in_time).startswith("Hello Bob")
    hall.clock.advance(1)
    assert hall.say(too_late, "telegram:777").startswith("That code is wrong")


def test_five_codes_a_minute_are_tried_and_no_more(hall: Hall) -> None:
    code = hall.code()
    for _ in range(TRIES_A_MINUTE):
        assert hall.say("AAAA-AAAA").startswith("That code is wrong")

    refused = hall.say(code)
    hall.clock.advance(60)
    accepted = hall.say(code)

    assert refused == "Too many codes were tried. Please wait a minute."
    assert accepted.startswith("Hello Bob")


def test_many_strangers_together_try_no_more_than_one_may_in_some_minutes(hall: Hall) -> None:
    tried = [hall.say("AAAA-AAAA", f"telegram:{n}") for n in range(2 * ALL_TRIES_A_MINUTE)]

    assert sum("code is wrong" in each for each in tried) == ALL_TRIES_A_MINUTE


def test_a_chat_of_somebody_who_is_gone_is_a_stranger_again(hall: Hall) -> None:
    hall.say(hall.code())
    People(hall.store.documents).people.take("Bob")

    assert hall.say("/devices").startswith("I do not know this chat.")


def test_a_chat_that_is_forgotten_is_a_stranger_again(hall: Hall) -> None:
    hall.say(hall.code())

    assert forget(hall.store, STRANGER)

    assert hall.say("/devices").startswith("I do not know this chat.")
    assert hall.store.chats.active() == []
    assert not forget(hall.store, "telegram:5")


def test_who_writes_in_a_group_is_named_when_something_is_acknowledged(hall: Hall) -> None:
    hall.say("/ack pi-1", ADA, name="Grace")

    assert hall.store.alerts.page()[0].acknowledged_by == "Grace"


def test_a_chat_that_was_lost_and_writes_again_is_told_again() -> None:
    bench = Bench(listed=[ADA, BOB])
    bench.process.step()
    bench.sender.refusals["1"] = NotifyError("blocked", permanent=True)
    bench.happen(an_event(at=NOON))
    bench.later(1)
    bench.later(1)
    bench.sender.refusals.clear()
    answers = Answers(store=bench.store, clock=bench.clock, listed={ADA}, stale_after_ms=30_000)

    answers.to(ADA, title="Ada", name="Ada", text="/help")
    bench.happen(an_event(device_id="pi-2", at=bench.clock.now_ms()))
    bench.later(1)

    assert len(bench.sender.texts("1")) == 1
    assert "the chat can be reached again" in bench.sender.read[-1][1] + bench.sender.read[-2][1]
