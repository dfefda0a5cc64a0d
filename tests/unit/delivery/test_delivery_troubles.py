"""What fails between the outbox and a chat, and what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from telegram.error import TimedOut

from bot.telegram_sender import refusal
from fleetpulse.alerts import AlertEvent
from fleetpulse.delivery import messages
from fleetpulse.delivery.messages import Post
from fleetpulse.errors import NotifyError, StoreBusy
from fleetpulse.stores.protocols import Alert, Delivery, Progress, Store
from tests.contracts.builders import NOON, SECOND, an_episode, an_event
from tests.unit.delivery.bench import ADA, BOB, CAME_TRUE, Bench


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

    assert bench.sender.words() == [
        "will soon be stressed",
        "will soon be stressed",
        CAME_TRUE,
        "is stressed",
        "has recovered",
        "has recovered",
    ]


def test_a_message_whose_answer_is_lost_is_sent_again_for_a_lost_alarm_is_worse(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.happen(*an_episode(at=NOON - 240 * SECOND))
    really = bench.sender.send

    def answer_is_lost(chat_id: str, post: Post) -> str:
        really(chat_id, post)
        raise refusal(TimedOut())

    with monkeypatch.context() as broken:
        broken.setattr(bench.sender, "send", answer_is_lost)
        bench.later(1)
    bench.later(60)

    assert bench.sender.words() == [
        "will soon be stressed",
        "will soon be stressed",
        CAME_TRUE,
        "is stressed",
        "has recovered",
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
    assert bench.sender.words() == [
        "will soon be stressed",
        CAME_TRUE,
        "is stressed",
        "has recovered",
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
    assert bench.sender.words() == [
        "will soon be stressed",
        CAME_TRUE,
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


def test_a_message_that_is_refused_for_good_may_leave_the_chat_as_it_is(bench: Bench) -> None:
    bench.sender.refusals["1"] = NotifyError("too large", permanent=True, only_message=True)
    first, second = an_event(at=NOON), an_event(device_id="pi-2", at=NOON)
    bench.happen(first)
    bench.later(1)
    del bench.sender.refusals["1"]
    bench.happen(second)
    bench.later(1)

    assert bench.delivery_of(first).progress is Progress.FAILED
    assert bench.delivery_of(second).progress is Progress.SENT


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
    lost = "telegram:1 can no longer be reached (blocked by the user)"
    assert lost in bench.sender.texts("2")[-1]
    assert bench.sender.tries == 5
    assert bench.delivery_of(soon).error == "blocked by the user"
    assert bench.delivery_of(stressed).progress is Progress.FAILED
    assert [chat.chat_id for chat in bench.store.chats.active()] == [BOB]


def test_a_group_that_became_a_supergroup_is_told_all_of_it_there() -> None:
    bench = Bench(listed=[ADA, BOB])
    bench.process.step()
    bench.sender.refusals["1"] = NotifyError("moved", permanent=True, moved_to="-1007")
    soon, stressed, recovered = an_episode(at=NOON)
    bench.happen(soon, stressed)
    bench.later(1)

    bench.happen(recovered)
    bench.later(1)

    assert bench.sender.texts("1") == []
    assert bench.sender.words("-1007") == [
        "will soon be stressed",
        CAME_TRUE,
        "is stressed",
        "has recovered",
        "has recovered",
    ]
    assert len(bench.sender.words("2")) == 5
    assert [chat.chat_id for chat in bench.store.chats.active()] == [ADA, BOB]


def test_a_group_that_moved_is_found_again_after_a_restart_with_its_old_id() -> None:
    bench = Bench()
    bench.process.step()
    bench.sender.refusals["1"] = NotifyError("moved", permanent=True, moved_to="-1007")
    bench.happen(an_event())
    bench.later(1)

    bench.start()
    bench.happen(an_event(device_id="pi-2", at=bench.clock.now_ms()))
    for _ in range(3):
        bench.later(1)

    assert bench.sender.words("-1007") == ["will soon be stressed"] * 2


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


def test_an_event_that_cannot_be_told_does_not_silence_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alert_post(
        event: AlertEvent, began: AlertEvent | None, now_ms: int, alert: Alert | None
    ) -> Post:
        if event.device_id == "pi-1":
            raise ValueError("strange")
        return messages.alert_post(event, began, now_ms, alert)

    monkeypatch.setattr("fleetpulse.delivery.posts.alert_post", alert_post)
    bench.happen(an_event(), an_event(device_id="pi-2"))

    bench.later(1)
    bench.later(1)

    assert len(bench.sender.sent) == 1
    assert bench.delivery_of(an_event()).progress is Progress.FAILED


def test_an_event_that_is_no_longer_stored_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.happen(an_event())
    monkeypatch.setattr(bench.store.alerts, "event", lambda _name: None)

    bench.later(1)

    assert bench.sender.sent == []
    assert bench.delivery_of(an_event()).progress is Progress.FAILED
