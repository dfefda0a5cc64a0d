"""Who is told of an event, when, and in how many messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleetpulse import policy
from fleetpulse.alerts import AlertEvent, State
from fleetpulse.people import Person
from fleetpulse.policy import (
    BURST_MS,
    FEW_DEVICES,
    GROUP_EVERY_MS,
    NOTHING_LATELY,
    OLD_MS,
    SUMMARY_EVERY_MS,
    Reader,
    Recent,
    Wishes,
)
from fleetpulse.stores.protocols import Chat, Delivery, Progress, StoredEvent
from tests.contracts.builders import NOON, SECOND, a_chat, a_delivery, an_episode, an_event

ADA = a_chat("telegram:1", subscribed_at=0)
BOB = a_chat("telegram:2", subscribed_at=0)


def stored(event: AlertEvent, *, stored_at: int = NOON) -> StoredEvent:
    return StoredEvent(event=event, stored_at=stored_at)


def wishes(*chats: Chat, **fields: Any) -> Wishes:
    """What these chats of owners wish: everything."""
    readers = {chat.chat_id: Reader(chat=chat, person=Person(name=""), **fields) for chat in chats}
    return Wishes(readers=readers)


def told(
    events: Sequence[AlertEvent], now: int, recent: Recent = NOTHING_LATELY
) -> Sequence[policy.Message]:
    """What one chat is told when these events are due."""
    due = [a_delivery(event.event_id) for event in reversed(events)]
    known = {event.event_id: event for event in events}
    by_target = policy.messages(due, known, now, {"telegram:42": recent})
    return by_target.get("telegram:42", [])


def test_every_active_chat_hears_of_an_event() -> None:
    planned = policy.plan([stored(an_event())], wishes(ADA, BOB), NOON)

    assert planned == [
        Delivery(event_id="pi-1:heat:1:soon", target="telegram:1", due_at=NOON),
        Delivery(event_id="pi-1:heat:1:soon", target="telegram:2", due_at=NOON),
    ]


def test_a_chat_that_is_not_active_hears_nothing() -> None:
    gone = a_chat(subscribed_at=0, active=False)

    assert not policy.plan([stored(an_event())], wishes(gone), NOON)


def test_a_chat_hears_nothing_of_what_was_before_it() -> None:
    late = a_chat(subscribed_at=NOON)

    assert not policy.plan([stored(an_event(), stored_at=NOON - 1)], wishes(late), NOON)
    assert policy.plan([stored(an_event(), stored_at=NOON)], wishes(late), NOON)


def test_danger_that_passed_is_told_as_well_as_danger_that_comes() -> None:
    ada = wishes(ADA)
    told_states = {state for state in State if policy.plan([stored(an_event(state))], ada, NOON)}

    assert told_states >= {State.SOON, State.STRESSED, State.RECOVERED, State.OK}
    assert State.UNKNOWN not in told_states


def test_news_are_due_at_once_even_from_a_device_whose_clock_is_ahead() -> None:
    ahead = stored(an_event(at=NOON + 300 * SECOND))

    (delivery,) = policy.plan([ahead], wishes(ADA), NOON)

    assert delivery.due_at <= NOON


def test_what_is_old_waits_for_the_next_full_minute_so_that_a_catch_up_is_one_summary() -> None:
    old = stored(an_event(at=NOON - OLD_MS - 1))

    ada = wishes(ADA)
    dues = {policy.plan([old], ada, NOON + second * SECOND)[0].due_at for second in range(60)}

    assert dues == {NOON + SUMMARY_EVERY_MS}


def test_news_are_one_message_each_in_the_order_of_their_events() -> None:
    soon, stressed, recovered = an_episode()

    messages = told([soon, stressed, recovered], NOON + 300 * SECOND)

    assert [message.events for message in messages] == [[soon], [stressed], [recovered]]
    assert not any(message.is_summary for message in messages)


def test_events_of_one_moment_keep_the_order_of_an_episode() -> None:
    states = [State.RECOVERED, State.SOON, State.STRESSED]

    messages = told([an_event(state) for state in states], NOON)

    assert [message.events[0].state for message in messages] == [
        State.SOON,
        State.STRESSED,
        State.RECOVERED,
    ]


def test_what_is_old_is_told_in_one_summary_before_the_news() -> None:
    old = an_episode(at=NOON - 3_600 * SECOND)
    news = an_event(episode=2)

    summary, latest = told([news, *old], NOON)

    assert summary.is_summary
    assert summary.events == old
    assert latest.events == [news]


def test_news_that_could_not_be_sent_become_old_while_they_wait() -> None:
    event = an_event()

    assert not told([event], NOON + OLD_MS)[0].is_summary
    assert told([event], NOON + OLD_MS + 1)[0].is_summary


def pis(count: int) -> list[AlertEvent]:
    """As many machines that will soon be stressed."""
    return [an_event(device_id=f"pi-{number:04}") for number in range(count)]


def test_a_few_devices_at_once_are_told_one_by_one() -> None:
    messages = told(pis(FEW_DEVICES), NOON)

    assert [len(message.events) for message in messages] == [1] * FEW_DEVICES
    assert not any(message.is_group for message in messages)


def test_many_devices_at_once_are_one_message() -> None:
    (group,) = told(pis(1_000), NOON)

    assert group.is_group
    assert len(group.events) == 1_000


def test_an_old_summary_comes_before_a_group() -> None:
    old = an_event(device_id="old", at=NOON - 2 * OLD_MS)

    summary, group = told([*pis(10), old], NOON)

    assert (summary.is_summary, group.is_group) == (True, True)


def test_one_more_device_within_seconds_of_others_begins_a_group() -> None:
    recent = NOTHING_LATELY
    for message in told(pis(FEW_DEVICES), NOON):
        recent = recent.after(message, NOON)
    late = an_event(device_id="late")

    assert [each.is_group for each in told([late], NOON + BURST_MS - 1, recent)] == [True]
    assert [each.is_group for each in told([late], NOON + BURST_MS, recent)] == [False]


def test_one_device_is_never_many_however_much_happens_to_it() -> None:
    events = [event for episode in range(5) for event in an_episode(episode=episode)]

    assert not any(message.is_group for message in told(events, NOON + 60 * SECOND))


def test_after_a_group_news_are_gathered_for_the_next() -> None:
    (group,) = told(pis(10), NOON)
    recent = NOTHING_LATELY.after(group, NOON)
    news = [an_event(device_id="late")]

    assert told(news, NOON + GROUP_EVERY_MS - 1, recent) == []
    (later,) = told(news, NOON + GROUP_EVERY_MS, recent)
    assert later.events == news


def test_what_is_old_does_not_wait_for_a_group() -> None:
    (group,) = told(pis(10), NOON)
    old = [an_event(at=NOON - 2 * OLD_MS)]

    (summary,) = told(old, NOON + 1, NOTHING_LATELY.after(group, NOON))

    assert summary.is_summary


@given(
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 40)), min_size=1, max_size=120),
    st.integers(200, 2_000),
)
def test_whenever_devices_get_into_trouble_a_burst_is_few_messages_and_all_of_them_are_told(
    happenings: list[tuple[int, int]], look_every_ms: int
) -> None:
    """At most the few, and a group now and one GROUP_EVERY_MS later, in any such time."""
    waiting = sorted((at, f"pi-{device}", number) for number, (at, device) in enumerate(happenings))
    recent, said, named = NOTHING_LATELY, list[tuple[int, bool]](), list[str]()
    for now in range(0, 60_000 + 2 * GROUP_EVERY_MS + look_every_ms, look_every_ms):
        news = [
            an_event(device_id=device, episode=number, at=NOON + at)
            for at, device, number in waiting
            if at <= now
        ]
        for message in told(news, NOON + now, recent):
            recent = recent.after(message, NOON + now)
            said.append((now, message.is_group))
            named += [event.event_id for event in message.events]
        waiting = [each for each in waiting if f"{each[1]}:heat:{each[2]}:soon" not in named]

    assert len(named) == len(set(named)) == len(happenings)
    groups = [at for at, is_group in said if is_group]
    for at, is_group in said:
        since = max((each for each in groups if each < at), default=None)
        assert since is None or at - since >= GROUP_EVERY_MS, (at, is_group)


def test_the_newest_of_a_summary_carries_it_and_the_others_are_folded() -> None:
    (summary,) = told(an_episode(), NOON + 3_600 * SECOND)

    done = policy.sent(summary, "77", NOON)

    assert [(each.event_id, each.progress) for each in done] == [
        ("pi-1:heat:1:recovered", Progress.SENT),
        ("pi-1:heat:1:soon", Progress.FOLDED),
        ("pi-1:heat:1:stressed", Progress.FOLDED),
    ]
    assert {(each.message_id, each.sent_at) for each in done} == {("in 77", NOON)}


def test_putting_off_counts_only_what_was_tried() -> None:
    (message,) = told([an_event()], NOON)

    (tried,) = policy.put_off(message, NOON + 1, error="away", tried=True)
    (waited,) = policy.put_off(message, NOON + 1)

    assert (tried.attempts, tried.error, tried.due_at) == (1, "away", NOON + 1)
    assert (waited.attempts, waited.error) == (0, None)
    assert tried.progress is waited.progress is Progress.WAITING


chats = st.lists(
    st.builds(
        lambda number, active: a_chat(f"telegram:{number}", subscribed_at=0, active=active),
        st.integers(1, 5),
        st.booleans(),
    ),
    max_size=5,
    unique_by=lambda chat: chat.chat_id,
)
event_lists = st.lists(
    st.builds(
        lambda number, state, minutes: stored(
            an_event(state, device_id=f"pi-{number}", at=NOON - minutes * 60_000)
        ),
        st.integers(1, 4),
        st.sampled_from([State.SOON, State.STRESSED, State.RECOVERED, State.OK]),
        st.integers(-5, 30),
    ),
    max_size=12,
    unique_by=lambda each: each.event.event_id,
)


@given(event_lists, chats, st.data())
def test_whatever_is_read_twice_each_event_is_told_once_to_each_active_chat(
    outbox: list[StoredEvent], subscribers: list[Chat], data: st.DataObject
) -> None:
    queue: dict[tuple[str, str], Delivery] = {}
    events = {each.event.event_id: each.event for each in outbox}
    told_of: list[tuple[str, str]] = []
    rounds = data.draw(st.lists(st.slices(len(outbox)), max_size=4))

    for now, part in enumerate([*rounds, slice(None)], start=NOON):
        for planned in policy.plan(outbox[part], wishes(*subscribers), now):
            queue.setdefault((planned.event_id, planned.target), planned)
        due = [each for each in queue.values() if each.progress is Progress.WAITING]
        for messages in policy.messages(due, events, now).values():
            for message in messages:
                told_of += [(event.event_id, message.target) for event in message.events]
                for done in policy.sent(message, "1", now):
                    queue[done.event_id, done.target] = done

    active = [chat.chat_id for chat in subscribers if chat.active]
    assert sorted(told_of) == sorted((name, chat) for name in events for chat in active)
