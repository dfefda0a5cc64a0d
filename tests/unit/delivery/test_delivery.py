"""From the outbox to the chats: nothing lost, nothing twice."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.alerts import State
from fleetpulse.delivery import loop
from fleetpulse.delivery.loop import FIRST_MS
from fleetpulse.delivery.messages import Post
from fleetpulse.delivery.posts import CHARTS_AT_ONCE
from fleetpulse.delivery.telling import MESSAGES_A_ROUND
from fleetpulse.errors import NotifyError
from fleetpulse.stores.protocols import Progress
from tests.contracts.builders import NOON, a_chat, an_episode, an_event
from tests.unit.delivery.bench import ADA, BOB, PNG, Bench, FakeSender, words_of


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
    bench.happen(*an_episode(at=NOON))

    bench.later(1)

    pictured = {words_of(post.text): post.photo for _, post in bench.sender.sent}
    assert pictured == {"will soon be stressed": PNG, "is stressed": PNG}
    assert bench.sender.edited[-1][2].photo is None


def test_one_picture_serves_all_chats() -> None:
    bench = Bench(listed=[ADA, BOB])
    bench.process.step()
    bench.happen(an_event())

    bench.later(1)

    assert len(bench.sender.sent) == 2
    assert len(bench.charted) == 1


def test_much_trouble_at_once_gets_its_words_without_pictures(bench: Bench) -> None:
    bench.happen(*(an_event(episode=n, at=NOON) for n in range(CHARTS_AT_ONCE + 1)))

    bench.later(1)

    assert len(bench.sender.sent) == CHARTS_AT_ONCE + 1
    assert bench.charted == []


def test_a_thousand_devices_that_are_stressed_within_seconds_are_a_few_messages(
    bench: Bench,
) -> None:
    for second in range(5):
        bench.happen(
            *(
                an_event(State.STRESSED, device_id=f"pi-{second}-{n:03}", at=bench.clock.now_ms())
                for n in range(200)
            )
        )
        bench.later(1)
    first_s = 5

    for _ in range(60 - first_s):
        bench.later(1)

    texts = bench.sender.texts()
    assert 1 <= len(texts) <= 5
    assert "<b>200 devices</b> at once" in texts[0]
    assert "<b>800</b> are stressed (temperature): pi-1-000, pi-1-001" in texts[1]
    assert "and 792 more" in texts[1]
    assert all(len(text) < 4_096 for text in texts)


def test_a_group_is_recorded_whole_and_not_told_again_after_a_restart(bench: Bench) -> None:
    events = [an_event(device_id=f"pi-{n}", at=NOON) for n in range(20)]
    bench.happen(*events)
    bench.later(1)

    bench.start()
    bench.later(60)

    assert len(bench.sender.sent) == 1
    assert {bench.delivery_of(event).sent_at for event in events} == {NOON + 1000}


def test_one_chat_with_much_to_read_does_not_hold_up_the_round(bench: Bench) -> None:
    bench.happen(*(an_event(episode=n, at=NOON) for n in range(25)))

    counts = []
    for _ in range(3):
        bench.later(1)
        counts.append(len(bench.sender.sent))

    assert counts == [MESSAGES_A_ROUND, 2 * MESSAGES_A_ROUND, 25]


def test_more_events_than_a_page_holds_are_all_planned(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "PAGE_EVENTS", 2)
    bench.happen(*(an_event(episode=n, at=NOON) for n in range(3)))
    for number in range(3, 7):
        bench.happen(an_event(episode=number, at=NOON))

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

    def send(where: str, post: Post) -> str:
        stop.set()
        return FakeSender.send(stopping, where, post)

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
        told_of = [read.count(name) for name in names]
        counted = sum(int(more) for more in re.findall(r"and (\d+) more", read))
        assert max(told_of, default=0) <= 1
        assert sum(told_of) + counted == len(names)
