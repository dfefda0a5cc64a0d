"""What the messages of one round look like; each is made once, for however many chats."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fleetpulse import policy
from fleetpulse.alerts import AlertEvent, State, event_id
from fleetpulse.delivery import trends
from fleetpulse.delivery.messages import (
    PHRASES,
    Post,
    alert_post,
    changed_post,
    group_post,
    has_chart,
    reminder_post,
    summary_post,
)
from fleetpulse.delivery.short_names import fitted
from fleetpulse.stores.episodes import alert_id_of
from fleetpulse.stores.protocols import Alert, Store

CHARTS_AT_ONCE = 5  # a fleet in trouble gets its words first

log = logging.getLogger(__name__)

Chart = Callable[[Store, AlertEvent], bytes | None]


class Posts:
    """The posts of some messages. chart: draws an event, or gives None."""

    def __init__(
        self,
        store: Store,
        chart: Chart,
        by_target: Mapping[str, Sequence[policy.Message]],
        now_ms: int,
    ) -> None:
        self._store = store
        self._chart = chart
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._made: dict[str, Post] = {}
        charted = {
            message.events[0].event_id
            for messages in by_target.values()
            for message in messages
            if message.is_single and not message.is_change and has_chart(message.events[0])
        }
        self._draws = len(charted) <= CHARTS_AT_ONCE

    def of(self, message: policy.Message) -> Post:
        """The post that says it. Raises StoreError."""
        if message.is_summary:
            return summary_post(message.events, self._now_ms, self._store.alerts.get)
        if message.is_group:
            return group_post(message.events, is_repeated=message.says_again)
        event = message.events[0]
        if message.is_repeated:
            reminder = replace(self._reminder(event), told_before_at=message.deliveries[-1].sent_at)
            return fitted(reminder, self._store.documents)
        with self._lock:
            if event.event_id not in self._made:
                self._made[event.event_id] = fitted(self._post(event), self._store.documents)
            return self._made[event.event_id]

    def _post(self, event: AlertEvent) -> Post:
        alert = self._store.alerts.get(alert_id_of(event))
        shown = self._shown(event, alert)
        post = alert_post(shown, self._began(shown), self._now_ms, alert)
        lines = [post.text, *trends.about_event(self._store, shown)]
        post = replace(post, text="\n".join(lines), events=(event,))
        if not has_chart(event) or not self._draws:
            return post
        return replace(post, photo=self._picture(event))

    def changed(self, event: AlertEvent, told: State) -> Post:
        """What a message says once this has happened, that told of the state `told` before.

        Where the alert stands now, and below what the message was sent for. Raises StoreError.
        """
        alert = self._store.alerts.get(alert_id_of(event))
        shown = self._shown(event, alert)
        name = event_id(event.device_id, event.rule, event.episode, told)
        before = shown if shown.state is told else self._store.alerts.event(name) or shown
        post = changed_post(shown, before, self._began(shown), self._now_ms, alert)
        return fitted(post, self._store.documents)

    def _shown(self, event: AlertEvent, alert: Alert | None) -> AlertEvent:
        """What the message of an alert says once this has happened: where the alert stands."""
        if event.state is not State.ACKNOWLEDGED or alert is None:
            return event
        stands = event_id(event.device_id, event.rule, event.episode, alert.state)
        return self._store.alerts.event(stands) or event

    def _reminder(self, event: AlertEvent) -> Post:
        return reminder_post(event, self._store.alerts.get(alert_id_of(event)), self._now_ms)

    def _picture(self, event: AlertEvent) -> bytes | None:
        try:
            return self._chart(self._store, event)
        except Exception:  # whatever it is, a broken chart must not cost the warning its words
            log.exception("event sent without its chart", extra={"event_id": event.event_id})
            return None

    def _began(self, event: AlertEvent) -> AlertEvent | None:
        ends = PHRASES[event.state].ends
        if ends is None:
            return None
        name = event_id(event.device_id, event.rule, event.episode, ends)
        return self._store.alerts.event(name)
