"""Whatever happens to alerts, chats and the process: nothing lost, nothing twice, and no noise.

400 lives of up to 50 steps are some 17,000 steps.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from fleetpulse.acknowledge import acknowledge
from fleetpulse.alerts import AlertEvent, Severity, State
from fleetpulse.delivery.messages import Post
from fleetpulse.delivery.readers import ENDLESS, release
from fleetpulse.errors import NotifyError
from fleetpulse.people import People, Preferences, QuietHours, Snooze
from fleetpulse.policy import GROUP_EVERY_MS
from fleetpulse.stores.episodes import alert_id_of
from fleetpulse.stores.protocols import Progress
from tests.contracts.builders import SECOND, an_event
from tests.unit.delivery.bench import ADA, Bench, FakeSender

DEVICES = [f"pi-{number}" for number in range(6)]
NEXT: dict[State, list[State]] = {
    State.OK: [State.SOON, State.STRESSED],
    State.SOON: [State.STRESSED, State.OK],
    State.STRESSED: [State.RECOVERED],
    State.RECOVERED: [State.SOON, State.STRESSED],
}
OPENING = (State.SOON, State.STRESSED)


@dataclass(frozen=True)
class Said:
    """One message that made a sound."""

    at: int
    post: Post

    @property
    def kind(self) -> str:
        """What kind of message it is, by its sign."""
        return {"🕰": "summary", "🔔": "group", "🔁": "reminder"}.get(self.post.text[0], "single")


@dataclass
class NotedSender(FakeSender):
    """Remembers when each message came."""

    bench: Bench
    muted: set[str] = field(default_factory=set)  # devices that the chat wants to hear nothing of
    said: list[Said] = field(default_factory=list)

    def __post_init__(self) -> None:
        FakeSender.__init__(self)

    def send(self, where: str, post: Post) -> str:
        message_id = super().send(where, post)
        opening = {event.device_id for event in post.events if event.state in OPENING}
        assert not opening & self.muted, (post.text, self.muted)
        self.said.append(Said(self.bench.clock.now_ms(), post))
        return message_id


class Delivery(RuleBasedStateMachine):
    """One chat, six devices, and everything that people and networks do."""

    @initialize()
    def begin(self) -> None:
        self.bench = Bench()
        self.sender = self.bench.sender = NotedSender(self.bench)
        self.people = People(self.bench.store.documents)
        self.wanted = Preferences(repeat_s=600)
        self._put_preferences()
        self.bench.start()
        self.bench.process.step()
        self.states = dict.fromkeys(DEVICES, State.OK)
        self.episodes = Counter[str]()
        self.events: dict[str, AlertEvent] = {}
        self.seen_at: dict[str, int] = {}  # alert -> when somebody had seen it
        self.snoozed: set[str] = set()
        self.restarted_at: list[int] = []
        self.once_muted: set[str] = set()

    @rule(device=st.sampled_from(DEVICES), which=st.integers(0, 1))
    def happen(self, device: str, which: int) -> None:
        ways = NEXT[self.states[device]]
        state = ways[which % len(ways)]
        if state in OPENING and self.states[device] not in OPENING:
            self.episodes[device] += 1
        severity = Severity.CRITICAL if state is State.STRESSED else Severity.WARNING
        event = an_event(
            state,
            device_id=device,
            episode=self.episodes[device],
            at=self.bench.clock.now_ms(),
            severity=severity if state in OPENING else Severity.INFO,
        )
        self.states[device] = state
        self.events[event.event_id] = event
        self.bench.happen(event)

    @rule(seconds=st.sampled_from([0.3, 1.0, 7.0, 40.0, 200.0, 1_000.0]))
    def look(self, seconds: float) -> None:
        self.bench.later(seconds)

    @rule()
    def restart(self) -> None:
        self.restarted_at.append(self.bench.clock.now_ms())
        self.bench.start()

    @rule(problem=st.sampled_from(["network", "429"]))
    def fail(self, problem: str) -> None:
        wait_s = 30.0 if problem == "429" else None
        self.sender.refusals["1"] = NotifyError(problem, retry_after_s=wait_s)

    @rule()
    def heal(self) -> None:
        self.sender.refusals.clear()

    @rule(device=st.sampled_from(DEVICES))
    def see(self, device: str) -> None:
        alert_id, now = f"{device}:heat:{self.episodes[device]}", self.bench.clock.now_ms()
        if self.bench.store.alerts.get(alert_id) is not None:
            acknowledge(self.bench.store, alert_id, said_by="Ada", now_ms=now)
            if self.states[device] in OPENING:
                self.seen_at.setdefault(alert_id, now)

    @rule(device=st.sampled_from(DEVICES), hours=st.sampled_from([1, 3, 100]))
    def snooze(self, device: str, hours: int) -> None:
        until = self.bench.clock.now_ms() + hours * 3_600 * SECOND
        self.people.snoozes.put(device, Snooze(until=until, said_by="Ada"))
        self.snoozed.add(device)

    @precondition(lambda self: self.snoozed)
    @rule()
    def end_snoozes(self) -> None:
        for device in self.snoozed:
            self.people.snoozes.take(device)
        self.snoozed.clear()
        release(self.bench.store, "", self.bench.clock.now_ms())

    @rule(
        quiet_from=st.sampled_from([None, None, 1, 600, 1_200]),
        repeat_s=st.sampled_from([600, 600, 0, 14_400]),
    )
    def prefer(self, quiet_from: int | None, repeat_s: int) -> None:
        """Quiet from some minute of the day to midnight, or never."""
        quiet = None if quiet_from is None else QuietHours(begins=quiet_from, ends=0, zone="UTC")
        self.wanted = replace(self.wanted, quiet=quiet, repeat_s=repeat_s)
        self._put_preferences()

    @rule(devices=st.sets(st.sampled_from(DEVICES), max_size=3))
    def mute(self, devices: set[str]) -> None:
        """The chat wants to hear nothing of these devices, and of all others."""
        self.sender.muted = devices
        self.once_muted |= devices
        self.wanted = replace(self.wanted, but_not=sorted(devices))
        self._put_preferences()

    def _put_preferences(self) -> None:
        self.people.preferences.put(ADA, self.wanted)
        release(self.bench.store, ADA, self.bench.clock.now_ms())

    @rule()
    def delete_messages(self) -> None:
        self.sender.gone |= {str(number) for number in range(len(self.sender.sent) + 1)}

    @invariant()
    def nothing_is_said_twice(self) -> None:
        told = [
            event.event_id
            for said in self.sender.said
            if said.kind in ("single", "summary")
            for event in said.post.events
        ]
        assert all(count == 1 for count in Counter(told).values()), told

    @invariant()
    def what_somebody_has_seen_is_not_repeated(self) -> None:
        for said in self.sender.said:
            if said.kind == "reminder":
                seen_at = self.seen_at.get(alert_id_of(said.post.events[0]))
                assert seen_at is None or said.at <= seen_at

    @invariant()
    def a_burst_is_few_messages(self) -> None:
        """News of many devices are gathered; one device's own story may be longer."""
        loud = [said for said in self.sender.said if said.kind == "group"]
        for earlier, later in zip(loud, loud[1:], strict=False):
            assert later.at - earlier.at >= GROUP_EVERY_MS or self._restarted(earlier, later)

    def _restarted(self, earlier: Said, later: Said) -> bool:
        """A process knows only its own groups, so a restart may bring one sooner."""
        return any(earlier.at <= at <= later.at for at in self.restarted_at)

    def teardown(self) -> None:
        """In the end nothing waits to be told for the first time, and no event is lost."""
        if not hasattr(self, "bench"):
            return
        self.heal()
        self.end_snoozes()
        self.mute(set())
        self.prefer(quiet_from=None, repeat_s=0)
        for _ in range(4):
            self.bench.later(700)
        waiting = [
            each
            for each in self.bench.store.deliveries.due("", ENDLESS, limit=100_000)
            if each.sent_at is None
        ]
        assert waiting == []
        of_events = self.bench.store.deliveries.of_events(self.events)
        always_wanted = {
            name for name, event in self.events.items() if event.device_id not in self.once_muted
        }
        assert always_wanted <= {each.event_id for each in of_events} <= set(self.events)
        assert {each.progress for each in of_events} <= {
            Progress.SENT,
            Progress.FOLDED,
            Progress.WAITING,
        }
        self.nothing_is_said_twice()


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
