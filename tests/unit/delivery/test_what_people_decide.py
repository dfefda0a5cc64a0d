"""Snoozes, quiet hours, and whose an alert is: what people decide counts for what waits, too."""

from __future__ import annotations

from fleetpulse.alerts import Severity, State
from fleetpulse.delivery.readers import follow_only, release
from fleetpulse.people import (
    Group,
    Person,
    QuietHours,
    Role,
)
from tests.contracts.builders import NOON, SECOND, a_chat, an_episode, an_event
from tests.unit.delivery.bench import ADA, BOB, Bench
from tests.unit.delivery.deciding import (
    HOUR_S,
    MINUTE_S,
    happen_one_by_one,
    people,
    prefer,
    seen,
    snooze,
)

# -- snoozed


def test_a_snoozed_device_is_silent_and_what_lasts_is_told_when_the_snooze_ends(
    bench: Bench,
) -> None:
    snooze(bench, "pi-1", HOUR_S)
    happen_one_by_one(bench, *an_episode(at=NOON)[:2], an_event(device_id="pi-2"))
    during = bench.sender.words()

    bench.later(HOUR_S)

    assert during == ["will soon be stressed"]
    assert bench.sender.read[-1][1].startswith("🔁 <b>pi-1</b> is stressed")
    assert len(bench.sender.read) == 2


def test_what_came_and_went_during_a_snooze_is_never_told(bench: Bench) -> None:
    snooze(bench, "pi-*", HOUR_S)
    happen_one_by_one(bench, *an_episode(at=NOON))

    for _ in range(3):
        bench.later(HOUR_S)

    assert bench.sender.read == []


def test_a_snooze_silences_repetitions_but_not_the_end(bench: Bench) -> None:
    prefer(bench, repeat_s=600)
    soon, stressed, _ = an_episode(at=NOON)
    happen_one_by_one(bench, soon, stressed)
    snooze(bench, "pi-1", HOUR_S)
    for _ in range(20):
        bench.later(MINUTE_S)
    before = len(bench.sender.read)

    happen_one_by_one(bench, an_event(State.RECOVERED, at=bench.clock.now_ms()))

    assert before == 3
    assert bench.sender.words()[-1] == "has recovered"


def test_a_snooze_of_a_group_is_of_its_devices(bench: Bench) -> None:
    people(bench).groups.put("lab", Group(name="lab", devices=["pi-*"]))
    snooze(bench, "@lab", HOUR_S)

    happen_one_by_one(bench, an_event(), an_event(device_id="pc-1"))

    assert len(bench.sender.sent) == 1
    assert "pc-1" in bench.sender.texts()[0]


def test_a_snooze_that_is_taken_back_tells_what_lasts_at_once(bench: Bench) -> None:
    snooze(bench, "pi-1", HOUR_S)
    happen_one_by_one(bench, an_event(State.STRESSED))
    people(bench).snoozes.take("pi-1")

    release(bench.store, "telegram:", bench.clock.now_ms())
    bench.later(0)

    assert len(bench.sender.sent) == 1


def test_a_snooze_that_is_made_shorter_ends_sooner(bench: Bench) -> None:
    snooze(bench, "pi-1", 72 * HOUR_S)
    happen_one_by_one(bench, an_event(State.STRESSED))
    snooze(bench, "pi-1", HOUR_S)
    release(bench.store, "", bench.clock.now_ms())

    bench.later(1)
    before = list(bench.sender.read)
    bench.later(HOUR_S)

    assert before == []
    assert bench.sender.texts()[0].startswith("🔁 <b>pi-1</b> is stressed")


def test_the_end_of_a_snooze_brings_repetitions_back(bench: Bench) -> None:
    prefer(bench, repeat_s=600)
    happen_one_by_one(bench, an_event(State.STRESSED))
    snooze(bench, "pi-1", 30 * 24 * HOUR_S)
    bench.later(700)
    people(bench).snoozes.take("pi-1")
    release(bench.store, "", bench.clock.now_ms())

    bench.later(1)

    assert len(bench.sender.sent) == 2


# -- quiet hours


def quiet_now(bench: Bench, urgent: Severity | None = Severity.CRITICAL) -> None:
    """From now, 12:00 UTC, to one hour later."""
    prefer(bench, quiet=QuietHours(begins=720, ends=780, zone="UTC", urgent=urgent))


def test_in_quiet_hours_only_what_is_urgent_is_told_and_the_rest_is_one_summary_after(
    bench: Bench,
) -> None:
    quiet_now(bench)
    urgent = an_event(State.STRESSED, device_id="pc-1", severity=Severity.CRITICAL)
    happen_one_by_one(bench, an_event(), an_event(State.OK, at=NOON + SECOND), urgent)
    during = bench.sender.words()

    bench.later(HOUR_S)
    bench.later(MINUTE_S)

    assert during == ["is stressed"]
    assert len(bench.sender.sent) == 2
    assert bench.sender.texts()[-1].startswith("🕰 <b>While you were away</b>: 2 events")


def test_who_ends_the_quiet_hears_it_at_once(bench: Bench) -> None:
    quiet_now(bench)
    happen_one_by_one(bench, an_event())
    prefer(bench)

    release(bench.store, ADA, bench.clock.now_ms())
    bench.later(0)

    (text,) = bench.sender.texts()
    assert "1 event" in text


def test_after_quiet_hours_the_summary_says_what_still_lasts(bench: Bench) -> None:
    quiet_now(bench, urgent=None)
    other = an_event(State.STRESSED, device_id="pi-2", at=NOON)
    happen_one_by_one(bench, *an_episode(at=NOON), an_event(State.STRESSED, device_id="pi-3"))
    happen_one_by_one(bench, other)
    seen(bench, "pi-2:heat:1")

    bench.later(HOUR_S)
    bench.later(MINUTE_S)

    (post,) = [post for _, post in bench.sender.sent]
    assert "✅ <b>pi-1</b> has recovered" in post.text
    assert "<b>pi-3</b> is stressed (temperature), began 1 h" in post.text
    assert [line for line in post.text.splitlines() if "pi-2" in line][0].endswith("👌")
    assert [button.command for button in post.buttons] == ["/ack", "/alerts"]


def test_what_is_new_when_quiet_hours_end_is_part_of_the_summary(bench: Bench) -> None:
    quiet_now(bench)
    bench.clock.advance(HOUR_S - 120)
    happen_one_by_one(bench, an_event(at=bench.clock.now_ms()))

    bench.later(180)

    (text,) = bench.sender.texts()
    assert text.startswith("🕰 <b>While you were away</b>: 1 event")


def test_quiet_hours_that_are_made_shorter_end_sooner(bench: Bench) -> None:
    prefer(bench, quiet=QuietHours(begins=720, ends=1380, zone="UTC"))
    happen_one_by_one(bench, an_event())
    quiet_now(bench)
    release(bench.store, ADA, bench.clock.now_ms())

    bench.later(1)
    before = list(bench.sender.read)
    bench.later(HOUR_S)

    assert before == []
    assert len(bench.sender.sent) == 1


# -- whose


def test_alerts_go_to_the_owners_of_the_device() -> None:
    bench = Bench(listed=[])
    people(bench).groups.put("lab", Group(name="lab", devices=["pi-*"]))
    people(bench).people.put("Ada", Person(name="Ada", owns=["@lab"]))
    people(bench).people.put("Bob", Person(name="Bob", owns=["pc-1"]))
    prefer(bench, ADA, person="Ada")
    prefer(bench, BOB, person="Bob")
    for target in (ADA, BOB):
        bench.store.chats.put(a_chat(target, subscribed_at=0))
    bench.process.step()

    happen_one_by_one(bench, an_event(), an_event(device_id="pc-1"))

    assert "pi-1" in bench.sender.texts("1")[0]
    assert "pc-1" in bench.sender.texts("2")[0]
    assert len(bench.sender.sent) == 2


def test_what_fleetpulse_says_of_itself_is_for_owners() -> None:
    bench = Bench(listed=[])
    people(bench).people.put("Ada", Person(name="Ada", owns=["pi-1"]))
    people(bench).people.put("Bob", Person(name="Bob", role=Role.VIEWER))
    prefer(bench, ADA, person="Ada")
    prefer(bench, BOB, person="Bob")
    for target in (ADA, BOB):
        bench.store.chats.put(a_chat(target, subscribed_at=0))
    bench.process.step()

    ours = an_event(State.STRESSED, device_id="fleetpulse", rule="bot-silent", kind="fleetpulse")
    happen_one_by_one(bench, ours)

    assert [where for where, _ in bench.sender.sent] == ["1"]


def test_a_chat_that_wants_the_worst_only_hears_the_end_of_that_and_of_nothing_else(
    bench: Bench,
) -> None:
    prefer(bench, severity=Severity.CRITICAL)
    soon, stressed, recovered = an_episode(at=NOON)
    harmless = [an_event(device_id="pi-2"), an_event(State.OK, device_id="pi-2", at=NOON + 1)]

    happen_one_by_one(bench, soon, *harmless, stressed, recovered)

    assert bench.sender.words() == ["is stressed", "has recovered"]


def test_a_chat_whose_person_is_gone_hears_nothing_and_a_paired_one_stays() -> None:
    bench = Bench(listed=[])
    people(bench).people.put("Ada", Person(name="Ada"))
    prefer(bench, ADA, person="Ada")
    prefer(bench, BOB, person="Nobody")
    for target in (ADA, BOB, "telegram:3"):
        bench.store.chats.put(a_chat(target, subscribed_at=0))

    follow_only(bench.store, "telegram:", [], NOON)
    bench.process.step()
    happen_one_by_one(bench, an_event())

    assert [chat.chat_id for chat in bench.store.chats.active()] == [ADA, BOB]
    assert [where for where, _ in bench.sender.sent] == ["1"]
