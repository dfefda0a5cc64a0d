"""A channel that somebody wants to see work is tried, once, and what came of it is written down."""

from __future__ import annotations

import pytest

from fleetpulse.actions.trials import Trials
from fleetpulse.channel_tests import ChannelTest, answer, ask_for, channel_tests
from fleetpulse.clock import ManualClock
from fleetpulse.delivery.messages import Telling
from fleetpulse.errors import InvalidWish, NotifyError, StoreError
from fleetpulse.stores.memory import MemoryStore
from tests.unit.actions.builders import AWAY, PNG, FakeChannel


class Bench:
    """A notifier's channels called mail and hook, and whoever asks for them."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), ManualClock()
        self.mail, self.hook = FakeChannel(), FakeChannel()
        self.trials = Trials(
            {"mail": self.mail, "hook": self.hook},
            store=self.store,
            clock=self.clock,
            picture=lambda: PNG,
        )

    def ask(self, name: str = "mail") -> ChannelTest:
        target = f"notify:{name}"
        return ask_for(self.store, target, asked_by="Ada", now_ms=self.clock.now_ms())

    def look(self) -> None:
        self.trials.look()
        self.trials.finish()

    def outcome(self, name: str = "mail") -> ChannelTest:
        found = channel_tests(self.store).get(name)
        assert found is not None
        return found


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_channel_that_is_asked_for_gets_an_example_and_no_other_does(bench: Bench) -> None:
    asked = bench.ask()
    bench.clock.advance(1)

    bench.look()

    (post,) = bench.mail.sent
    assert post.text.startswith("This channel works.")
    assert (post.telling, post.photo) == (Telling.TEST, PNG)
    assert bench.hook.sent == []
    assert bench.outcome() == ChannelTest(
        asked_at=asked.asked_at, asked_by="Ada", answered_at=bench.clock.now_ms(), problem=None
    )


def test_a_test_that_is_answered_is_not_sent_again(bench: Bench) -> None:
    bench.ask()

    bench.look()
    bench.look()

    assert len(bench.mail.sent) == 1


def test_somebody_can_ask_again_after_the_answer(bench: Bench) -> None:
    bench.ask()
    bench.look()
    bench.clock.advance(1)

    bench.ask()
    bench.look()

    assert len(bench.mail.sent) == 2


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (AWAY, "it is away"),
        (NotifyError("it is gone", permanent=True), "it is gone"),
        (ZeroDivisionError("a key in it"), "it broke (ZeroDivisionError)"),
    ],
    ids=str,
)
def test_what_went_wrong_is_written_down(bench: Bench, refusal: Exception, says: str) -> None:
    bench.mail.refusal = refusal
    bench.ask()

    bench.look()

    assert bench.outcome().problem == says
    assert bench.outcome().answered_at == bench.clock.now_ms()


def test_what_nobody_waits_for_any_more_is_not_sent(bench: Bench) -> None:
    bench.ask("mail")
    bench.clock.advance(0.001)
    bench.ask("hook")
    bench.clock.advance(59.999)

    bench.look()

    assert bench.mail.sent == []
    assert len(bench.hook.sent) == 1
    assert bench.outcome("mail").answered_at is None


def test_a_channel_that_is_not_ours_is_left_alone(bench: Bench) -> None:
    bench.ask("older")

    bench.look()

    assert bench.outcome("older").answered_at is None


def test_two_who_ask_at_once_get_one_example(bench: Bench) -> None:
    first = bench.ask()
    bench.clock.advance(1)

    assert bench.ask() == first


def test_a_channel_that_hangs_is_not_asked_twice_and_holds_up_no_other(bench: Bench) -> None:
    bench.mail.goes_on.clear()
    bench.ask("mail")
    bench.trials.look()

    bench.ask("hook")
    bench.trials.look()

    assert bench.hook.was_sent.acquire(timeout=30)
    bench.mail.goes_on.set()
    bench.trials.finish()
    assert len(bench.mail.sent) == 1


def test_a_late_answer_is_not_taken_for_that_of_the_next_test(bench: Bench) -> None:
    first = bench.ask()
    bench.clock.advance(61)
    second = bench.ask()

    answer(bench.store, "mail", first, problem="it is away", now_ms=bench.clock.now_ms())

    assert bench.outcome() == second


def test_a_chat_of_the_bot_cannot_be_tried_so(bench: Bench) -> None:
    with pytest.raises(InvalidWish, match="write /test there"):
        ask_for(bench.store, "telegram:1", asked_by="Ada", now_ms=1)


def test_an_answer_that_cannot_be_kept_sends_no_second_example(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreError("it is away")

    bench.ask()
    monkeypatch.setattr(bench.store.documents, "put", away)

    bench.look()
    bench.look()

    assert len(bench.mail.sent) == 1
    assert bench.outcome().answered_at is None
