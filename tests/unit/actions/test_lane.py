"""A channel as the loop sees it: in time, with its health told, and old messages given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from fleetpulse.actions import lane
from fleetpulse.actions.lane import GIVE_UP_MS, Lane
from fleetpulse.clock import ManualClock
from fleetpulse.errors import NotifyError
from fleetpulse.health import Health
from tests.contracts.builders import NOON, an_event
from tests.unit.actions.builders import FakeChannel, a_post


class Bench:
    """One lane, its channel and its clock."""

    def __init__(self) -> None:
        self.channel, self.clock, self.health = FakeChannel(), ManualClock(NOON), Health()
        self.lane = Lane("mail", self.channel, clock=self.clock, health=self.health)

    def refused(self) -> NotifyError:
        """How sending fails."""
        with pytest.raises(NotifyError) as refused:
            self.lane.send(a_post(event=an_event(at=NOON)))
        return refused.value


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.channel.goes_on.set()


def test_what_the_channel_gives_is_given_on(bench: Bench) -> None:
    assert bench.lane.send(a_post()) == "1"
    assert bench.health.problems() == {}


def test_trouble_is_told_until_a_message_arrives(bench: Bench) -> None:
    bench.channel.refusal = NotifyError("it is away", retry_after_s=7)
    refused = bench.refused()
    during = bench.health.problems()
    bench.channel.refusal = None
    bench.lane.send(a_post())

    assert (refused.permanent, refused.retry_after_s) == (False, 7)
    assert during == {"notify:mail": "The channel mail fails: it is away."}
    assert bench.health.problems() == {}


def test_a_library_that_breaks_is_a_failure_like_any_other(bench: Bench) -> None:
    bench.channel.refusal = ZeroDivisionError("secret words")

    refused = bench.refused()

    assert str(refused) == "it broke (ZeroDivisionError)"
    assert not refused.permanent


def test_a_channel_that_hangs_is_given_time_and_no_second_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "SEND_S", 0.01)
    bench.channel.goes_on.clear()

    first, second = bench.refused(), bench.refused()
    bench.channel.goes_on.set()
    assert bench.channel.was_sent.acquire(timeout=10)

    assert "did not end" in str(first)
    assert "still hangs" in str(second)
    assert len(bench.channel.sent) == 1


def test_a_time_out_of_the_channels_own_is_a_failure(bench: Bench) -> None:
    bench.channel.refusal = TimeoutError()

    assert str(bench.refused()) == "it broke (TimeoutError)"


def test_the_end_of_the_process_does_not_wait_for_a_channel_that_hangs(bench: Bench) -> None:
    bench.channel.goes_on.clear()
    ended: list[NotifyError] = []
    sending = threading.Thread(target=lambda: ended.append(bench.refused()))
    sending.start()

    while not ended:
        bench.lane.leave()
        sending.join(0.01)

    assert "stopping" in str(ended[0])


@pytest.mark.parametrize(("age_ms", "given_up"), [(GIVE_UP_MS - 1, False), (GIVE_UP_MS, True)])
def test_a_message_that_is_too_old_is_given_up_and_the_channel_is_not(
    bench: Bench, age_ms: int, given_up: bool
) -> None:
    bench.channel.refusal = NotifyError("it is away")
    bench.clock.advance(age_ms / 1000)

    refused = bench.refused()

    assert refused.permanent is given_up
    assert refused.only_message is given_up


def test_a_channel_that_is_gone_is_gone_whatever_the_age(bench: Bench) -> None:
    bench.channel.refusal = NotifyError("gone", permanent=True)
    bench.clock.advance(GIVE_UP_MS / 1000)

    assert not bench.refused().only_message
