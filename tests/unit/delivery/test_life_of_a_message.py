"""An alert is one message: it changes with the alert, is answered, repeated, and seen."""

from __future__ import annotations

import pytest

from fleetpulse.acknowledge import acknowledge
from fleetpulse.alerts import State
from fleetpulse.delivery.readers import release
from fleetpulse.errors import UnknownAlert
from fleetpulse.people import (
    DEFAULT_REPEAT_S,
    Person,
)
from fleetpulse.stores.protocols import Progress
from tests.contracts.builders import NOON, SECOND, a_chat, an_episode, an_event
from tests.unit.delivery.bench import ADA, BOB, CAME_TRUE, Bench
from tests.unit.delivery.deciding import (
    MINUTE_S,
    happen_one_by_one,
    people,
    prefer,
    seen,
)

# -- one message


def test_an_alert_is_one_message_that_changes_and_is_answered_when_it_gets_worse(
    bench: Bench,
) -> None:
    happen_one_by_one(bench, *an_episode(at=NOON))

    (first, worse) = [post for _, post in bench.sender.sent]
    assert (first.reply_to, worse.reply_to) == (None, "1")
    assert [message_id for _, message_id, _ in bench.sender.edited] == ["1", "1", "2"]
    assert bench.sender.words() == [
        "will soon be stressed",
        CAME_TRUE,
        "is stressed",
        "has recovered",
        "has recovered",
    ]
    assert "It was stressed for 3 min." in bench.sender.edited[-1][2].text


def test_after_a_restart_the_same_message_goes_on(bench: Bench) -> None:
    soon, stressed, recovered = an_episode(at=NOON)
    happen_one_by_one(bench, soon)
    bench.start()
    happen_one_by_one(bench, stressed)
    bench.start()

    happen_one_by_one(bench, recovered)

    assert len(bench.sender.sent) == 2
    assert {message_id for _, message_id, _ in bench.sender.edited} == {"1", "2"}


def test_a_message_that_somebody_deleted_is_sent_anew_when_it_gets_worse(bench: Bench) -> None:
    soon, stressed, recovered = an_episode(at=NOON)
    happen_one_by_one(bench, soon)
    bench.sender.gone.add("1")

    happen_one_by_one(bench, stressed, recovered)

    assert bench.sender.words() == ["will soon be stressed", "is stressed", "has recovered"]
    assert bench.sender.edited[-1][1] == "2"


def test_the_end_of_what_was_never_told_is_not_told(bench: Bench) -> None:
    happen_one_by_one(bench, an_event(State.RECOVERED), an_event(State.OK, device_id="pi-2"))

    assert bench.sender.read == []
    assert bench.delivery_of(an_event(State.RECOVERED)).progress is Progress.FOLDED


def test_what_was_told_in_a_group_is_told_anew_when_it_is_over(bench: Bench) -> None:
    bench.happen(*(an_event(State.STRESSED, device_id=f"pi-{n}", at=NOON) for n in range(9)))
    bench.later(1)

    bench.happen(an_event(State.RECOVERED, device_id="pi-3", at=NOON + SECOND))
    bench.later(60)

    assert bench.sender.words()[-1] == "has recovered"
    assert bench.sender.edited == []


def test_a_chat_that_rests_gets_its_next_message_later(bench: Bench) -> None:
    bench.sender.pause_s = lambda where: 1.0  # type: ignore[method-assign]
    bench.happen(*(an_event(device_id=f"pi-{n}", at=NOON) for n in range(3)))

    counts = []
    for _ in range(4):
        bench.later(0.5)
        counts.append(len(bench.sender.sent))

    assert counts == [1, 1, 2, 2]


def test_a_message_keeps_what_it_said_when_it_changes(bench: Bench) -> None:
    happen_one_by_one(bench, *an_episode(at=NOON))

    first, answer = (
        [post.text for _, message_id, post in bench.sender.edited if message_id == each][-1]
        for each in ("1", "2")
    )
    assert first.startswith("✅ <b>pi-1</b> has recovered")
    assert "will soon be stressed\nProbability 87 %, expected in about 1 min." in first
    assert "is stressed" not in first
    assert "<b>pi-1</b> is stressed\nTemperature is 80.5 °C" in answer


def test_the_end_is_told_anew_when_there_is_no_message_left_to_change(bench: Bench) -> None:
    soon, stressed, recovered = an_episode(at=NOON)
    happen_one_by_one(bench, soon, stressed)
    bench.sender.gone |= {"1", "2"}

    happen_one_by_one(bench, recovered)

    assert len(bench.sender.sent) == 3
    assert bench.sender.words()[-1] == "has recovered"


def test_the_last_message_that_it_lasts_changes_with_the_alert(bench: Bench) -> None:
    happen_one_by_one(bench, *an_episode(at=NOON)[:2])
    for _ in range(2):
        bench.later(DEFAULT_REPEAT_S)

    seen(bench)
    bench.later(1)

    changed = {message_id for _, message_id, post in bench.sender.edited if "👌" in post.text}
    assert changed == {"1", "2", "4"}


# -- seen


def test_what_somebody_has_seen_is_shown_to_all_without_a_sound() -> None:
    bench = Bench(listed=[ADA, BOB])
    bench.process.step()
    happen_one_by_one(bench, an_event())

    seen(bench)
    bench.later(0)

    assert len(bench.sender.sent) == 2
    assert {where for where, _, _ in bench.sender.edited} == {"1", "2"}
    for _, _, post in bench.sender.edited:
        assert post.text.startswith("⚠️ <b>pi-1</b> will soon be stressed")
        assert post.text.endswith("👌 Acknowledged by Ada.")


def test_what_gets_worse_after_it_was_seen_is_told_with_who_saw_it(bench: Bench) -> None:
    soon, stressed, _ = an_episode(at=NOON)
    happen_one_by_one(bench, soon)
    seen(bench)

    happen_one_by_one(bench, stressed)

    assert bench.sender.words()[-1] == "is stressed"
    assert "Acknowledged by Ada" in bench.sender.read[-1][1]


def test_seeing_it_twice_or_when_it_is_over_changes_nothing(bench: Bench) -> None:
    happen_one_by_one(bench, an_event())
    seen(bench)
    acknowledge(bench.store, "pi-1:heat:1", said_by="Bob", now_ms=NOON + 9 * SECOND)
    happen_one_by_one(bench, an_event(State.OK, at=NOON + 10 * SECOND), an_event(episode=2))
    happen_one_by_one(bench, an_event(State.OK, episode=2, at=NOON + 20 * SECOND))

    seen(bench, "pi-1:heat:2")

    first, second = (bench.store.alerts.get(f"pi-1:heat:{n}") for n in (1, 2))
    assert first is not None
    assert first.acknowledged_by == "Ada"
    assert second is not None
    assert second.acknowledged_at is None


def test_nobody_can_see_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(UnknownAlert, match="pi-9:heat:1"):
        seen(bench, "pi-9:heat:1")


# -- again


def test_stress_is_told_again_until_somebody_has_seen_it(bench: Bench) -> None:
    happen_one_by_one(bench, *an_episode(at=NOON)[:2])
    before = len(bench.sender.sent)

    for _ in range(2):
        bench.later(DEFAULT_REPEAT_S)
    told_again = [post for _, post in bench.sender.sent[before:]]
    seen(bench)
    for _ in range(2):
        bench.later(DEFAULT_REPEAT_S)

    assert len(bench.sender.sent) == before + 2
    assert [post.reply_to for post in told_again] == ["1", "1"]
    assert "nobody has acknowledged it" in told_again[0].text
    stressed = an_episode(at=NOON)[1]
    assert bench.delivery_of(stressed).progress is Progress.SENT


def test_what_is_over_is_not_told_again(bench: Bench) -> None:
    happen_one_by_one(bench, *an_episode(at=NOON))
    before = len(bench.sender.read)

    bench.later(2 * DEFAULT_REPEAT_S)

    assert len(bench.sender.read) == before


def test_how_often_it_is_told_again_is_for_the_chat_to_say() -> None:
    bench = Bench(listed=[ADA, BOB])
    prefer(bench, ADA, repeat_s=600)
    prefer(bench, BOB, repeat_s=0)
    bench.process.step()
    bench.happen(an_event(State.STRESSED))

    for _ in range(25):
        bench.later(MINUTE_S)

    assert len(bench.sender.texts("1")) == 3
    assert len(bench.sender.texts("2")) == 1


def test_a_restart_forgets_no_repetition_and_adds_none(bench: Bench) -> None:
    prefer(bench, repeat_s=600)
    bench.happen(an_event(State.STRESSED))

    for _ in range(25):
        bench.start()
        bench.later(MINUTE_S)

    assert len(bench.sender.sent) == 3


def test_what_many_devices_have_in_common_is_repeated_in_one_message(bench: Bench) -> None:
    prefer(bench, repeat_s=600)
    bench.happen(*(an_event(State.STRESSED, device_id=f"pi-{n}", at=NOON) for n in range(50)))
    bench.later(1)

    bench.later(600)

    assert len(bench.sender.sent) == 2
    assert "<b>50 devices</b>" in bench.sender.texts()[-1]


def test_what_many_have_in_common_is_told_again_as_what_it_is(bench: Bench) -> None:
    prefer(bench, repeat_s=600)
    bench.happen(*(an_event(State.STRESSED, device_id=f"pi-{n}", at=NOON) for n in range(9)))
    bench.later(1)

    bench.later(600)

    first, again = (post for _, post in bench.sender.sent)
    assert first.text.startswith("🔔 <b>9 devices</b> at once")
    assert again.text.startswith("🔁 <b>9 devices</b> still")
    assert [button.command for button in again.buttons] == ["/ack all", "/alerts"]


def test_another_repetition_counts_for_what_lasts_already(bench: Bench) -> None:
    bench.happen(an_event(State.STRESSED))
    bench.later(1)
    prefer(bench, repeat_s=600)
    release(bench.store, ADA, bench.clock.now_ms())

    for _ in range(11):
        bench.later(MINUTE_S)
    told_again = len(bench.sender.sent)
    prefer(bench, repeat_s=0)
    for _ in range(20):
        bench.later(MINUTE_S)

    assert told_again == 2
    assert len(bench.sender.sent) == 2


def test_who_unsubscribes_is_told_no_more_of_what_lasts_but_sees_how_it_ends(
    bench: Bench,
) -> None:
    prefer(bench, repeat_s=600)
    bench.happen(an_event(State.STRESSED))
    bench.later(1)
    prefer(bench, repeat_s=600, hears=False)

    for _ in range(30):
        bench.later(MINUTE_S)
    seen(bench)
    bench.later(1)

    assert len(bench.sender.sent) == 1
    assert "👌" in bench.sender.edited[-1][2].text


def test_whose_device_it_is_no_more_is_told_no_more() -> None:
    bench = Bench(listed=[])
    people(bench).people.put("Ada", Person(name="Ada"))
    prefer(bench, ADA, person="Ada", repeat_s=600)
    bench.store.chats.put(a_chat(ADA, subscribed_at=0))
    bench.process.step()
    happen_one_by_one(bench, an_event(State.STRESSED))

    people(bench).people.put("Ada", Person(name="Ada", owns=["another"]))
    for _ in range(30):
        bench.later(MINUTE_S)

    assert len(bench.sender.sent) == 1
