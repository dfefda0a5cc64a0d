"""Alert states, events and episodes in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select, tuple_

from fleetpulse.alerts import AlertEvent, AlertState, Position, Status
from fleetpulse.stores.episodes import alert_id_of, alert_of
from fleetpulse.stores.protocols import Alert, StoredEvent, Verdict
from fleetpulse.stores.sql_database import Database, told_as
from fleetpulse.stores.sql_tables import alert_events, alert_states, alerts, verdicts


class SqlAlerts:
    """States, episodes and the outbox of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_states(self, connection: Connection, states: Sequence[AlertState]) -> None:
        """Put the states, in the transaction of `connection`.

        One that was judged at a later offset of the same log stays.
        """
        if not states:
            return
        kept = alert_states.c
        new = self._database.insert(alert_states).excluded
        not_later = or_(
            kept.judged_log.is_(None),
            kept.judged_log.is_distinct_from(new.judged_log),
            kept.judged_offset <= new.judged_offset,
        )
        in_order = sorted(states, key=lambda state: (state.device_id, state.rule))
        connection.execute(
            self._database.put(alert_states, where=not_later),
            [_state_row(state) for state in in_order],
        )

    def save_events(
        self, connection: Connection, events: Sequence[AlertEvent], stored_at: int
    ) -> None:
        """Insert the events that are not stored yet, and tell their episodes anew."""
        if not events:
            return
        moment = self._next_moment(connection, stored_at)
        in_order = sorted(events, key=lambda event: event.event_id)
        connection.execute(
            self._database.add(alert_events), [_event_row(event, moment) for event in in_order]
        )
        told = self._told(connection, {alert_id_of(event) for event in events})
        connection.execute(
            self._database.put(alerts), [msgspec.to_builtins(alert_of(known)) for known in told]
        )

    def _next_moment(self, connection: Connection, stored_at: int) -> int:
        """`stored_at`, or just after the newest moment in the outbox if that is later.

        Writers of events take turns, so moments grow in the order of commits, and a reader that
        has come up to one never misses an event that a slower process, or a clock set back, stores
        behind it.
        """
        newest = connection.execute(select(func.max(alert_events.c.stored_at))).scalar_one()
        return stored_at if newest is None else max(stored_at, newest + 1)

    def _told(self, connection: Connection, alert_ids: set[str]) -> list[list[AlertEvent]]:
        listed = self._database.listed(alert_ids)
        query = select(alert_events).join(listed, alert_events.c.alert_id == listed.c.value)
        episodes: defaultdict[str, list[AlertEvent]] = defaultdict(list)
        for event in told_as(AlertEvent, connection.execute(query)):
            episodes[alert_id_of(event)].append(event)
        return list(episodes.values())

    def states_of(self, device_ids: Collection[str]) -> Sequence[AlertState]:
        listed = self._database.listed(set(device_ids))
        query = (
            select(alert_states)
            .join(listed, alert_states.c.device_id == listed.c.value)
            .order_by(alert_states.c.device_id, alert_states.c.rule)
        )
        with self._database.reads() as connection:
            return [_state(row) for row in connection.execute(query)]

    def page(
        self,
        *,
        device_id: str | None = None,
        open_only: bool = False,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Alert]:
        place = alerts.c.opened_at, alerts.c.alert_id
        query = _newest_first(select(alerts), place, since=since, until=until, before=before)
        query = query.limit(limit)
        if device_id is not None:
            query = query.where(alerts.c.device_id == device_id)
        if open_only:
            query = query.where(alerts.c.closed_at.is_(None))
        with self._database.reads() as connection:
            return told_as(Alert, connection.execute(query))

    def events_page(
        self,
        *,
        device_id: str | None = None,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> Sequence[AlertEvent]:
        place = alert_events.c.at, alert_events.c.event_id
        query = _newest_first(select(alert_events), place, since=since, until=until, before=before)
        query = query.limit(limit)
        if device_id is not None:
            query = query.where(alert_events.c.device_id == device_id)
        with self._database.reads() as connection:
            return told_as(AlertEvent, connection.execute(query))

    def get(self, alert_id: str) -> Alert | None:
        query = select(alerts).where(alerts.c.alert_id == alert_id)
        with self._database.reads() as connection:
            found = told_as(Alert, connection.execute(query))
        return found[0] if found else None

    def judge(self, verdict: Verdict) -> None:
        with self._database.writes() as connection:
            connection.execute(self._database.put(verdicts), msgspec.to_builtins(verdict))

    def verdicts_of(self, alert_ids: Collection[str]) -> Mapping[str, Verdict]:
        listed = self._database.listed(set(alert_ids))
        query = select(verdicts).join(listed, verdicts.c.alert_id == listed.c.value)
        with self._database.reads() as connection:
            found = told_as(Verdict, connection.execute(query))
        return {verdict.alert_id: verdict for verdict in found}

    def event(self, event_id: str) -> AlertEvent | None:
        query = select(alert_events).where(alert_events.c.event_id == event_id)
        with self._database.reads() as connection:
            found = told_as(AlertEvent, connection.execute(query))
        return found[0] if found else None

    def stored_since(self, stored_at: int, *, limit: int = 1000) -> Sequence[StoredEvent]:
        moment, event_id = alert_events.c.stored_at, alert_events.c.event_id
        from_then = select(alert_events).where(moment >= stored_at)
        last = from_then.with_only_columns(moment).order_by(moment).offset(limit - 1).limit(1)
        query = from_then.order_by(moment, event_id)
        with self._database.reads() as connection:
            last_moment = connection.scalar(last)
            if last_moment is not None:
                query = query.where(moment <= last_moment)
            rows = connection.execute(query).all()
        return [
            StoredEvent(event=event, stored_at=row.stored_at)
            for event, row in zip(told_as(AlertEvent, rows), rows, strict=True)
        ]


def _state_row(state: AlertState) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(state)
    del row["judged"]
    row["judged_log"] = None if state.judged is None else state.judged.log
    row["judged_offset"] = None if state.judged is None else state.judged.offset
    return row


def _state(row: Row[*tuple[Any, ...]]) -> AlertState:
    judged = None
    if row.judged_log is not None:
        judged = Position(log=row.judged_log, offset=row.judged_offset)
    return AlertState(
        device_id=row.device_id,
        rule=row.rule,
        level=Status(row.level),
        episode=row.episode,
        since=row.since,
        judged=judged,
    )


def _event_row(event: AlertEvent, stored_at: int) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(event),
        "alert_id": alert_id_of(event),
        "stored_at": stored_at,
    }


def _newest_first(
    query: Select[Any],
    place: tuple[ColumnElement[int], ColumnElement[str]],
    *,
    since: int | None,
    until: int | None,
    before: tuple[int, str] | None,
) -> Select[Any]:
    """The query's rows by moment and id, newest first: those in this range of both."""
    at, identifier = place
    query = query.order_by(at.desc(), identifier.desc())
    if since is not None:
        query = query.where(at >= since)
    if until is not None:
        query = query.where(at < until)
    if before is not None:
        query = query.where(tuple_(at, identifier) < before)
    return query
