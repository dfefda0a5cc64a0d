"""From the outbox to the chats: nothing lost, nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import delivery, messages
from bot.delivery import CHARTS_AT_ONCE, FIRST_MS, MESSAGES_A_ROUND, Delivering
from bot.messages import Post
from fleetpulse.alerts import AlertEvent, State
from fleetpulse.clock import ManualClock
from fleetpulse.errors import NotifyError, StoreBusy
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Delivery, Progress, Store
from tests.contracts.builders import NOON, SECOND, a_chat, an_episode, an_event, told

ADA, BOB = "telegram:1", "telegram:2"
PNG = b"a picture"


def words_of(text: str) -> str:
    """What the first line says of the device."""
    return text.splitlines()[0].split("</b> ")[1]


class FakeSender:
    """Keeps what it is given; refuses when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Post]] = []
        self.refusals: dict[str, NotifyError] = {}  # by chat id
        self.tries = 0
        self._lock = threading.Lock()

    def send(self, chat_id: str, post: Post) -> str:
        with self._lock:
            self.tries += 1
            if chat_id in self.refusals:
                raise self.refusals[chat_id]
            self.sent.append((chat_id, post))
            return str(len(self.sent))

    def texts(self, chat_id: str = "1") -> list[str]:
        """What this chat has read."""
        return [post.text for chat, post in self.sent if chat == chat_id]


class Bench:
    """A store, a chat application and a clock; processes come and go."""

    def __init__(self, *, listed: Sequence[str] = (ADA,)) -> None:
        self.store: Store = MemoryStore()
        self.sender = FakeSender()
        self.clock = ManualClock(NOON)
        self.listed = listed
        self.charted: list[str] = []
        self.start()

    def start(self) -> None:
        """A new process: it knows only what is stored."""
        self.process = Delivering(
            store=self.store,
            sender=self.sender,
            clock=self.clock,
            chart=self.chart,
            listed=self.listed,
        )

    def chart(self, _store: Store, event: AlertEvent) -> bytes | None:
        self.charted.append(event.event_id)
        return PNG

    def happen(self, *events: AlertEvent, late_s: float = 0) -> None:
        """Events are stored, `late_s` after the time that the outbox has for them."""
        self.store.save(told(*events, stored_at=self.clock.now_ms() - round(late_s * 1000)))

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.process.step()

    def delivery_of(self, event: AlertEvent, target: str = ADA) -> Delivery:
        of_event = self.store.deliveries.of_event(event.event_id)
        return next(each for each in of_event if each.target == target)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.process.step()
    return bench


def test_an_event_becomes_a_message_and_is_recorded_with_its_id(bench: Bench) -> None:
    event = an_event(at=NOON)
    bench.happen(event)

    bench.later(0.5)

    assert "will soon be stressed" in bench.sender.texts()[0]
    done = bench.delivery_of(event)
    assert (done.progress, done.message_id, done.sent_at) == (Progress.SENT, "1", NOON + 500)


def test_an_event_is_told_once_however_often_we_look_and_start(bench: Bench) -> None:
    bench.happen(an_event())

    for _ in range(3):
        bench.later(1)
        bench.start()
        bench.later(1)

    assert len(bench.sender.sent) == 1


def test_an_event_that_is_committed_late_is_told_all_the_same(bench: Bench) -> None:
    bench.happen(an_event(device_id="pi-1"))
    bench.later(10)
    bench.happen(an_event(device_id="pi-2"), late_s=50)

    bench.later(1)

    assert len(bench.sender.sent) == 2


def test_what_happened_while_no_bot_ran_is_told_when_one_runs(bench: Bench) -> None:
    bench.happen(an_event())
    bench.clock.advance(120)

    bench.start()
    bench.later(0)

    assert "This was 2 min ago." in bench.sender.texts()[0]


def test_a_new_store_begins_with_now_and_not_with_its_past() -> None:
    bench = Bench()
    bench.happen(an_event(device_id="long-ago"))
    bench.clock.advance(FIRST_MS / 1000 + 1)
    bench.happen(an_event(device_id="just-now", at=bench.clock.now_ms()))

    bench.later(1)

    assert [("just-now" in text) for text in bench.sender.texts()] == [True]


def test_a_night_without_a_bot_ends_in_one_summary(bench: Bench) -> None:
    for episode in range(3):
        bench.happen(*an_episode(episode=episode, at=bench.clock.now_ms()))
        bench.clock.advance(3_600)
    bench.start()

    for _ in range(5):
        bench.later(60)

    (text,) = bench.sender.texts()
    assert text.startswith("🕰 <b>While you were away</b>: 9 events")
    *folded, newest = an_episode(episode=2)
    assert bench.delivery_of(newest).progress is Progress.SENT
    assert {bench.delivery_of(event).progress for event in folded} == {Progress.FOLDED}


def test_a_night_without_a_network_ends_in_one_summary_too(bench: Bench) -> None:
    bench.sender.refusals["1"] = NotifyError("no network")
    bench.happen(*an_episode(at=NOON))
    for _ in range(200):
        bench.later(10)
    bench.sender.refusals.clear()

    bench.later(60)
    bench.later(60)

    (text,) = bench.sender.texts()
    assert "3 events" in text


def test_a_kill_between_sending_and_recording_repeats_that_one_message_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.happen(*an_episode(at=NOON - 240 * SECOND))

    class Killed(BaseException):
        pass

    def killed(_delivery: Delivery) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(bench.store.deliveries, "update", killed)
        with pytest.raises(Killed):
            bench.later(1)
    bench.start()
    bench.later(1)

    assert [words_of(text) for text in bench.sender.texts()] == [
        "will soon be stressed",
        "will soon be stressed",
        "is stressed",
        "has recovered",
    ]


def test_a_store_that_cannot_record_is_asked_again_and_nothing_is_sent_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = bench.store.deliveries.update
    failures = [StoreBusy("busy"), StoreBusy("busy")]

    def update(delivery: Delivery) -> None:
        if failures:
            raise failures.pop()
        really(delivery)

    monkeypatch.setattr(bench.store.deliveries, "update", update)
    event = an_event()
    bench.happen(event)

    bench.later(1)
    bench.later(1)

    assert len(bench.sender.sent) == 1
    assert bench.delivery_of(event).progress is Progress.SENT


def test_a_busy_store_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    looks: list[int] = []

    def stored_since(_since: int, *, limit: int) -> Sequence[object]:
        looks.append(bench.clock.now_ms())
        if len(looks) == 3:
            stop.set()
        raise StoreBusy("busy", retry_after_s=7)

    monkeypatch.setattr(bench.store.alerts, "stored_since", stored_since)

    bench.process.run(stop)

    assert looks == [NOON, NOON + 7_000, NOON + 14_000]


def test_a_chat_that_must_wait_waits_as_long_as_it_is_told_and_alone() -> None:
    bench = Bench(listed=[ADA, BOB])
    bench.process.step()
    bench.sender.refusals["1"] = NotifyError("slow down", retry_after_s=30)
    bench.happen(an_event(at=NOON))
    bench.later(0)
    bench.sender.refusals.clear()

    bench.later(29)
    before = list(bench.sender.texts("1"))
    bench.later(2)

    assert before == []
    assert len(bench.sender.texts("1")) == 1
    assert len(bench.sender.texts("2")) == 1


def test_while_a_chat_waits_its_later_news_wait_behind(bench: Bench) -> None:
    soon, stressed, recovered = an_episode(at=NOON)
    bench.sender.refusals["1"] = NotifyError("slow down", retry_after_s=30)
    bench.happen(soon, stressed)
    bench.later(0)
    bench.sender.refusals.clear()
    bench.happen(recovered)

    bench.later(10)
    bench.later(10)
    tries = bench.sender.tries
    bench.later(15)

    assert tries == 1
    assert [words_of(text) for text in bench.sender.texts()] == [
        "will soon be stressed",
        "is stressed",
        "has recovered",
    ]


def test_a_restart_keeps_news_that_wait_in_order(bench: Bench) -> None:
    soon, stressed, _ = an_episode(at=NOON)
    bench.sender.refusals["1"] = NotifyError("slow down", retry_after_s=30)
    bench.happen(soon, stressed)
    bench.later(0)
    bench.sender.refusals.clear()

    bench.start()
    bench.later(10)
    before = list(bench.sender.texts())
    bench.later(25)

    assert before == []
    assert [words_of(text) for text in bench.sender.texts()] == [
        "will soon be stressed",
        "is stressed",
    ]


def test_what_fails_for_a_while_is_tried_less_and_less_often(bench: Bench) -> None:
    bench.sender.refusals["1"] = NotifyError("no network")
    bench.happen(an_event(at=NOON))
    tried_at = []

    for second in range(200):
        before = bench.sender.tries
        bench.later(1)
        if bench.sender.tries > before:
            tried_at.append(second)

    pauses = [later - earlier for earlier, later in zip(tried_at, tried_at[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 2
    assert pauses[-1] == 60


def test_a_chat_that_is_gone_is_told_nothing_more() -> None:
    bench = Bench(listed=[ADA, BOB])
    bench.process.step()
    bench.sender.refusals["1"] = NotifyError("blocked by the user", permanent=True)
    soon, stressed, _ = an_episode(at=NOON)
    bench.happen(soon, stressed)
    bench.later(1)

    bench.happen(an_event(device_id="pi-2", at=NOON))
    bench.later(1)

    assert bench.sender.texts("1") == []
    assert len(bench.sender.texts("2")) == 3
    assert bench.sender.tries == 4
    assert bench.delivery_of(soon).error == "blocked by the user"
    assert bench.delivery_of(stressed).progress is Progress.FAILED
    assert [chat.chat_id for chat in bench.store.chats.active()] == [BOB]


def test_a_chat_that_is_no_longer_listed_is_told_nothing(bench: Bench) -> None:
    bench.store.chats.put(a_chat("apprise:mail", subscribed_at=0))
    bench.listed = [BOB]
    bench.start()
    bench.later(0)
    bench.happen(an_event())

    bench.later(1)

    assert [chat for chat, _ in bench.sender.sent] == ["2"]
    assert [chat.chat_id for chat in bench.store.chats.active()] == ["apprise:mail", BOB]


def test_warnings_have_a_picture_and_relief_has_none(bench: Bench) -> None:
    bench.happen(*an_episode(at=NOON), an_event(State.OK, device_id="pi-2", at=NOON))

    bench.later(1)

    pictured = {words_of(post.text): post.photo for _, post in bench.sender.sent}
    assert pictured == {
        "will soon be stressed": PNG,
        "is stressed": PNG,
        "has recovered": None,
        "is fine after all": None,
    }


def test_one_picture_serves_all_chats() -> None:
    bench = Bench(listed=[ADA, BOB])
    bench.process.step()
    bench.happen(an_event())

    bench.later(1)

    assert len(bench.sender.sent) == 2
    assert len(bench.charted) == 1


def test_a_chart_that_cannot_be_drawn_does_not_cost_the_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_store: Store, _event: AlertEvent) -> bytes:
        raise ValueError("no font")

    monkeypatch.setattr(bench, "chart", broken)
    bench.start()
    bench.happen(an_event())

    bench.later(1)

    ((_, post),) = bench.sender.sent
    assert "will soon be stressed" in post.text
    assert post.photo is None


def test_a_fleet_in_trouble_gets_its_words_without_pictures(bench: Bench) -> None:
    bench.happen(*(an_event(device_id=f"pi-{n}", at=NOON) for n in range(CHARTS_AT_ONCE + 1)))

    bench.later(1)

    assert len(bench.sender.sent) == CHARTS_AT_ONCE + 1
    assert bench.charted == []


def test_an_event_that_cannot_be_told_does_not_silence_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alert_post(event: AlertEvent, began: AlertEvent | None, now_ms: int) -> Post:
        if event.device_id == "pi-1":
            raise ValueError("strange")
        return messages.alert_post(event, began, now_ms)

    monkeypatch.setattr("bot.delivery.alert_post", alert_post)
    bench.happen(an_event(), an_event(device_id="pi-2"))

    bench.later(1)
    bench.later(1)

    assert len(bench.sender.sent) == 1
    assert bench.delivery_of(an_event()).progress is Progress.FAILED


def test_one_chat_with_much_to_read_does_not_hold_up_the_round(bench: Bench) -> None:
    bench.happen(*(an_event(device_id=f"pi-{n:02}", at=NOON) for n in range(25)))

    counts = []
    for _ in range(3):
        bench.later(1)
        counts.append(len(bench.sender.sent))

    assert counts == [MESSAGES_A_ROUND, 2 * MESSAGES_A_ROUND, 25]


def test_an_event_that_is_no_longer_stored_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.happen(an_event())
    monkeypatch.setattr(bench.store.alerts, "event", lambda _name: None)

    bench.later(1)

    assert bench.sender.sent == []
    assert bench.delivery_of(an_event()).progress is Progress.FAILED


def test_more_events_than_a_page_holds_are_all_planned(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAGE_EVENTS", 2)
    bench.happen(*(an_event(device_id=f"pi-{n}", at=NOON) for n in range(3)))
    for number in range(3, 7):
        bench.happen(an_event(device_id=f"pi-{number}", at=NOON))

    bench.later(1)

    assert len(bench.sender.sent) == 7


def test_a_writer_whose_clock_is_ahead_does_not_hide_the_others(bench: Bench) -> None:
    bench.happen(an_event(device_id="pi-1", at=NOON), late_s=-600)
    bench.later(1)
    bench.start()
    bench.happen(an_event(device_id="pi-2", at=NOON))

    bench.later(1)

    assert len(bench.sender.sent) == 2


def test_the_bot_shows_every_ten_seconds_that_it_lives(bench: Bench) -> None:
    beats = []
    for _ in range(25):
        bench.later(1)
        beats.append(bench.store.heartbeats.all()[0].at)

    assert sorted(set(beats)) == [NOON, NOON + 10_000, NOON + 20_000]
    assert bench.store.heartbeats.all()[0].process == "bot"


def test_when_it_is_told_to_stop_it_sends_no_more(bench: Bench) -> None:
    stop = threading.Event()
    bench.happen(*(an_event(device_id=f"pi-{n}", at=NOON) for n in range(3)))
    stopping = FakeSender()

    def send(chat_id: str, post: Post) -> str:
        stop.set()
        return FakeSender.send(stopping, chat_id, post)

    bench.sender.send = send  # type: ignore[method-assign]

    bench.process.run(stop)

    assert len(stopping.sent) == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("happen"), st.floats(0, 55)),
        st.tuples(st.just("look"), st.floats(0, 30)),
        st.tuples(st.just("restart"), st.just(0.0)),
        st.tuples(st.just("fail"), st.sampled_from([1.0, 2.0])),
        st.tuples(st.just("heal"), st.just(0.0)),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_comes_between_each_event_reaches_each_chat_once(
    story: Collection[tuple[str, float]],
) -> None:
    bench = Bench(listed=[ADA, BOB])
    bench.process.step()
    names = []
    for number, (what, amount) in enumerate(story):
        if what == "happen":
            names.append(f"device-{number:03}")
            bench.happen(an_event(device_id=names[-1], at=bench.clock.now_ms()), late_s=amount)
        elif what == "look":
            bench.later(amount)
        elif what == "restart":
            bench.start()
        elif what == "fail":
            bench.sender.refusals[f"{amount:.0f}"] = NotifyError("away")
        else:
            bench.sender.refusals.clear()

    bench.sender.refusals.clear()
    for _ in range(5):
        bench.later(61)

    for chat in ("1", "2"):
        read = "\n".join(bench.sender.texts(chat))
        assert [read.count(f"<b>{name}</b>") for name in names] == [1] * len(names)
