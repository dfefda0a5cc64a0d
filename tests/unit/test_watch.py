"""Processes watch each other: silence is told once, and not before it is certain."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fleetpulse.alerts import State
from fleetpulse.clock import ManualClock
from fleetpulse.errors import StoreError
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Heartbeat
from fleetpulse.watch import Watch


class Fleet:
    """A consumer and a bot on one store; each works while it is in `alive`."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.watches = {"consumer": self.start("consumer"), "bot": self.start("bot")}
        self.alive = {"consumer", "bot"}

    def start(self, process: str) -> Watch:
        return Watch(process, self.store, self.clock)

    def live(self, seconds: int) -> None:
        """Time passes, and who is alive looks each second."""
        for _ in range(seconds):
            self.clock.advance(1)
            for process in sorted(self.alive):
                self.watches[process].look()

    def told(self) -> Sequence[tuple[str, State]]:
        """The alerts so far, oldest first."""
        events = self.store.alerts.stored_since(0)
        return [(stored.event.rule, stored.event.state) for stored in events]

    @property
    def bot(self) -> Watch:
        return self.watches["bot"]


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet()
    fleet.live(30)
    return fleet


def test_nobody_is_told_while_all_are_alive(fleet: Fleet) -> None:
    fleet.live(600)

    assert fleet.told() == []
    assert fleet.bot.all_is_well


def test_a_process_that_is_silent_for_a_minute_is_told_once(fleet: Fleet) -> None:
    fleet.alive = {"bot"}
    fleet.live(55)
    before = fleet.told()
    fleet.live(600)

    assert before == []
    assert fleet.told() == [("consumer-silent", State.STRESSED)]
    assert not fleet.bot.all_is_well


def test_the_sentence_says_who_how_long_and_what_it_costs(fleet: Fleet) -> None:
    fleet.alive = {"bot"}
    fleet.live(80)

    (stored,) = fleet.store.alerts.stored_since(0)
    assert stored.event.causes == [
        "The consumer has been silent for 60 s: no reading is judged, so no warnings come until it"
        " is back."
    ]


def test_a_process_that_is_back_is_told(fleet: Fleet) -> None:
    fleet.alive = {"bot"}
    fleet.live(100)
    fleet.alive = {"bot", "consumer"}
    fleet.live(20)

    assert fleet.told() == [
        ("consumer-silent", State.STRESSED),
        ("consumer-silent", State.RECOVERED),
    ]
    assert fleet.bot.all_is_well


def test_the_consumer_misses_the_bot_too(fleet: Fleet) -> None:
    fleet.alive = {"consumer"}
    fleet.live(100)

    assert fleet.told() == [("bot-silent", State.STRESSED)]


def test_a_silent_notifier_is_missed_under_that_name(fleet: Fleet) -> None:
    fleet.start("notify").look()
    fleet.live(100)

    (stored,) = fleet.store.alerts.stored_since(0)
    assert stored.event.rule == "notify-silent"
    assert stored.event.causes == [
        "The notifier has been silent for 60 s: nobody is told by e-mail or another channel of"
        " FLEETPULSE_NOTIFY until it is back."
    ]


def test_a_process_that_never_ran_is_not_missed() -> None:
    fleet = Fleet()
    fleet.alive = {"bot"}

    fleet.live(300)

    assert fleet.told() == []
    assert fleet.bot.all_is_well


def test_a_process_that_was_stopped_on_purpose_is_not_missed(fleet: Fleet) -> None:
    fleet.watches["consumer"].leave()
    fleet.alive = {"bot"}

    fleet.live(300)

    assert fleet.told() == []


def test_one_consumer_of_two_is_enough(fleet: Fleet) -> None:
    other = fleet.start("consumer")
    fleet.alive = {"bot"}
    for _ in range(300):
        fleet.live(1)
        other.look()

    assert fleet.told() == []


def test_a_stopped_one_of_two_does_not_hide_that_the_other_dies(fleet: Fleet) -> None:
    other = fleet.start("consumer")
    other.look()
    fleet.live(5)
    other.leave()
    fleet.live(20)
    fleet.alive = {"bot"}
    fleet.live(80)

    assert fleet.told() == [("consumer-silent", State.STRESSED)]


def test_nobody_is_missed_in_the_first_minute_after_our_own_start(fleet: Fleet) -> None:
    fleet.alive = set()
    fleet.live(3600)
    fleet.watches["bot"] = fleet.start("bot")
    fleet.alive = {"bot"}
    fleet.live(55)
    fleet.alive = {"bot", "consumer"}
    fleet.live(60)

    assert fleet.told() == []


def test_a_pause_of_ours_is_not_taken_for_their_silence(fleet: Fleet) -> None:
    fleet.alive = {"bot"}
    fleet.live(20)  # it has seen the newest beat
    fleet.clock.advance(8 * 3600)  # the lid is closed
    fleet.live(50)
    fleet.alive = {"bot", "consumer"}
    fleet.live(60)

    assert fleet.told() == []


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_clock_that_is_set_calls_nobody_silent(fleet: Fleet, jump_s: int) -> None:
    fleet.clock.advance(jump_s)
    fleet.live(120)

    assert fleet.told() == []


def test_silence_is_seen_though_the_clocks_of_the_machines_differ(fleet: Fleet) -> None:
    fleet.alive = {"bot"}
    beats = fleet.store.heartbeats
    for step in range(60):  # an hour behind, and alive
        beats.beat(Heartbeat(process="consumer", at=fleet.clock.now_ms() - 3_600_000))
        fleet.live(5)
        assert fleet.told() == [], step

    beats.beat(Heartbeat(process="consumer", at=fleet.clock.now_ms() + 3_600_000))
    fleet.live(100)  # an hour ahead, and dead

    assert fleet.told() == [("consumer-silent", State.STRESSED)]


def test_a_restart_of_ours_closes_nothing_while_the_other_is_still_silent(fleet: Fleet) -> None:
    fleet.alive = {"bot"}
    fleet.live(100)
    fleet.watches["bot"] = fleet.start("bot")
    fleet.live(200)

    assert fleet.told() == [("consumer-silent", State.STRESSED)]


def test_who_came_back_while_we_were_away_is_told_back(fleet: Fleet) -> None:
    fleet.alive = {"bot"}
    fleet.live(100)
    fleet.watches["bot"] = fleet.start("bot")
    fleet.alive = {"bot", "consumer"}
    fleet.live(30)

    assert fleet.told()[-1] == ("consumer-silent", State.RECOVERED)


def test_a_store_that_was_away_is_no_silence_of_others(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("The store is away.")

    with monkeypatch.context() as away:
        away.setattr(fleet.store.heartbeats, "beat", fail)
        fleet.live(300)
        assert not fleet.bot.all_is_well
    fleet.alive = {"bot"}
    fleet.live(15)
    fleet.alive = {"bot", "consumer"}
    fleet.live(100)

    assert fleet.told() == []
    assert [record.getMessage() for record in caplog.records] == ["no heartbeat"] * 2
    assert fleet.bot.all_is_well


def test_a_beat_is_left_each_ten_seconds(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[Heartbeat] = []
    monkeypatch.setattr(fleet.store.heartbeats, "beat", beats.append)

    fleet.live(100)

    assert len([beat for beat in beats if beat.process == "bot"]) == 10
