"""Alert states, events and episodes in DynamoDB."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

import msgspec

from fleetpulse.alerts import AlertEvent, AlertState
from fleetpulse.stores.dynamodb_client import Dynamo, Item, Taken
from fleetpulse.stores.dynamodb_outbox import EVENTS_AT_ONCE, Entry, Outbox
from fleetpulse.stores.dynamodb_records import Records
from fleetpulse.stores.dynamodb_tables import BY_DEVICE, BY_TIME, WAITING
from fleetpulse.stores.dynamodb_values import (
    attributes,
    fields,
    item_of,
    key,
    merged,
    moment,
    sharded,
    sorting,
    struct_of,
    unique,
)
from fleetpulse.stores.episodes import alert_id_of, alert_of
from fleetpulse.stores.protocols import Alert, StoredEvent, Verdict

_PAST_ALL = "~"  # sorts after every moment
_NOT_JUDGED_LATER = (
    "attribute_not_exists(#rule.judged) OR #rule.judged.#log <> :log"
    " OR #rule.judged.#offset <= :offset"
)
_ALERT = "alert"  # the sort key of an episode; those of its events begin with "event "


class DynamoAlerts:
    """States, episodes and the outbox of events."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._dynamo: Dynamo = records.dynamo
        self._outbox = Outbox(records)

    # States: one record a device, one attribute a rule

    def save_states(self, states: Sequence[AlertState]) -> None:
        """Keep these; one that was judged at a later offset of the same log stays."""
        last = {(state.device_id, state.rule): state for state in states}
        self._dynamo.each(self._save_state, last.values())

    def _save_state(self, state: AlertState) -> None:
        judged = state.judged
        names, values, condition = {"#rule": f"rule {state.rule}"}, _state_values(state), {}
        if judged is not None:
            names |= {"#log": "log", "#offset": "offset"}
            values |= {":log": judged.log, ":offset": judged.offset}
            condition["ConditionExpression"] = _NOT_JUDGED_LATER
        try:
            self._records.update(
                _state_key(state.device_id),
                "SET #rule = :state, device_id = :id",
                values,
                ExpressionAttributeNames=names,
                **condition,
            )
        except Taken:
            return  # a successor has gone further

    def states_of(self, device_ids: Collection[str]) -> Sequence[AlertState]:
        found = self._dynamo.get_all(self._records.table, map(_state_key, set(device_ids)))
        states = [state for item in found for state in _states(item)]
        return sorted(states, key=lambda state: (state.device_id, state.rule))

    # Events: under the episode that they tell, with the moment at which they were stored

    def save_events(self, events: Sequence[AlertEvent], stored_at: int) -> None:
        """Keep the events that are not kept yet, and tell their episodes anew."""
        new = unique(events, lambda event: event.event_id)
        rest = iter(new.values())
        while some := list(islice(rest, EVENTS_AT_ONCE)):
            self._save_at_one_moment(some, stored_at)
        self._dynamo.each(self._tell, {alert_id_of(event) for event in new.values()})

    def _save_at_one_moment(self, events: Sequence[AlertEvent], stored_at: int) -> None:
        """Keep the new ones of these, at a moment after all others.

        An event names its moment before the outbox has it; when another writer takes that moment,
        or this process ends in between, whoever saves the event next gives it another one.
        """
        left = list(events)
        while left:
            head = self._outbox.head()
            at = stored_at if head is None else max(stored_at, head.stored_at + 1)
            claimed = self._dynamo.each(partial(self._claim, at), left)
            left = [event for event, is_ours in zip(left, claimed, strict=True) if is_ours]
            if not left or self._outbox.append(head, at, [event.event_id for event in left]):
                return

    def _claim(self, at: int, event: AlertEvent) -> bool:
        """Have an event name this moment; False: it is in the outbox at another one."""
        item = _event_item(event) | attributes({"stored_at": at})
        try:
            self._dynamo.call(
                "put_item",
                TableName=self._records.table,
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Taken as taken:
            known = int((taken.item or {})["stored_at"]["N"])
            if self._outbox.holds(known, event.event_id):
                return False
            return self._claim_again(known, at, event)
        return True

    def _claim_again(self, known: int, at: int, event: AlertEvent) -> bool:
        """Take an event from a moment that never came to be."""
        try:
            self._records.update(
                _event_key(event.event_id),
                "SET stored_at = :at",
                {":at": at, ":known": known},
                ConditionExpression="stored_at = :known",
            )
        except Taken:
            return self._claim(at, event)
        return True

    def _tell(self, alert_id: str) -> None:
        """Work an episode out from its events, unless somebody did who knew more of them.

        Events are never deleted, and each writer reads them after it has written its own: of two
        writers, the one that knows more knows all that the other knows.
        """
        found = self._records.under(_episode(alert_id), "event ")
        events = [struct_of(AlertEvent, item) for item in found]
        item = _alert_item(alert_of(events)) | attributes({"known_events": len(events)})
        try:
            self._dynamo.call(
                "put_item",
                TableName=self._records.table,
                Item=item,
                ConditionExpression="attribute_not_exists(pk) OR known_events <= :known",
                ExpressionAttributeValues=attributes({":known": len(events)}),
            )
        except Taken:
            return

    # Questions

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
        index = WAITING if open_only and device_id is None else None
        kept = "attribute_not_exists(closed_at)" if open_only else None
        range_ = _range(since=since, until=until, before=before)
        found = self._newest("alerts", device_id, range_, limit, index=index, kept=kept)
        return [struct_of(Alert, item) for item in found]

    def events_page(
        self,
        *,
        device_id: str | None = None,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> Sequence[AlertEvent]:
        range_ = _range(since=since, until=until, before=before)
        found = self._newest("events", device_id, range_, limit)
        return [struct_of(AlertEvent, item) for item in found]

    def _newest(
        self,
        kind: str,
        device_id: str | None,
        range_: tuple[str, str],
        limit: int,
        *,
        index: str | None = None,
        kept: str | None = None,
    ) -> list[Item]:
        """Alerts or events, newest first: of one device, or of all by merging the shards."""
        if device_id is not None:
            find = partial(self._from_index, BY_DEVICE, "d", range_, limit, kept)
            return list(islice(find(f"{kind}/{device_id}"), limit))
        name, letter = (BY_TIME, "t") if index is None else (index, "w")
        find = partial(self._from_index, name, letter, range_, limit, kept)
        order = partial(_text, f"{letter}_sk")
        return merged(self._dynamo, find, kind, order, limit=limit, reverse=True)

    def _from_index(
        self,
        index: str,
        letter: str,
        range_: tuple[str, str],
        limit: int,
        kept: str | None,
        pk: str,
    ) -> Iterator[Item]:
        first, last = range_
        if first > last:
            return iter(())
        condition = {} if kept is None else {"FilterExpression": kept}
        found = self._dynamo.query(
            self._records.table,
            IndexName=index,
            KeyConditionExpression=f"{letter}_pk = :pk AND {letter}_sk BETWEEN :first AND :last",
            ExpressionAttributeValues=attributes({":pk": pk, ":first": first, ":last": last}),
            ScanIndexForward=False,
            Limit=max(1, limit),
            **condition,
        )
        # BETWEEN includes its end, which a page before it has shown.
        return (item for item in found if item[f"{letter}_sk"]["S"] != last)

    def get(self, alert_id: str) -> Alert | None:
        found = self._records.get(_episode(alert_id), _ALERT)
        return None if found is None else struct_of(Alert, found)

    def judge(self, verdict: Verdict) -> None:
        self._records.put(_verdict_key(verdict.alert_id) | item_of(verdict))

    def verdicts_of(self, alert_ids: Collection[str]) -> Mapping[str, Verdict]:
        places = map(_verdict_key, sorted(set(alert_ids)))
        found = self._dynamo.get_all(self._records.table, places)
        verdicts = [struct_of(Verdict, item) for item in found]
        return {verdict.alert_id: verdict for verdict in verdicts}

    def event(self, event_id: str) -> AlertEvent | None:
        found = self._dynamo.get(self._records.table, _event_key(event_id))
        return None if found is None else struct_of(AlertEvent, found)

    def stored_since(self, stored_at: int, *, limit: int = 1000) -> Sequence[StoredEvent]:
        found: list[StoredEvent] = []
        for entry in self._outbox.since(stored_at):
            found += self._stored_at(entry)
            if len(found) >= limit:
                break
        return found

    def _stored_at(self, entry: Entry) -> list[StoredEvent]:
        """The events of a moment, without those that got another one meanwhile."""
        found = self._dynamo.get_all(self._records.table, map(_event_key, entry.event_ids))
        events = [
            struct_of(AlertEvent, item)
            for item in found
            if int(item["stored_at"]["N"]) == entry.stored_at
        ]
        events.sort(key=lambda event: event.event_id)
        return [StoredEvent(event=event, stored_at=entry.stored_at) for event in events]


def _range(
    *, since: int | None, until: int | None, before: tuple[int, str] | None
) -> tuple[str, str]:
    """The sort keys between which a page lies, the last one excluded."""
    last = [_PAST_ALL]
    if until is not None:
        last.append(moment(until))
    if before is not None:
        last.append(sorting(*before))
    return moment(0 if since is None else since), min(last)


def _text(name: str, item: Item) -> str:
    return str(item[name]["S"])


def _state_key(device_id: str) -> Item:
    return key(f"states/{device_id}", "states")


def _state_values(state: AlertState) -> dict[str, object]:
    told = msgspec.to_builtins(state)
    if state.judged is None:
        del told["judged"]
    return {":state": told, ":id": state.device_id}


def _states(item: Item) -> Iterator[AlertState]:
    for name, told in fields(item).items():
        if name.startswith("rule "):
            yield msgspec.convert(told, AlertState)


def _episode(alert_id: str) -> str:
    return f"alerts/{alert_id}"


def _verdict_key(alert_id: str) -> Item:
    return key(_episode(alert_id), "verdict")


def _event_key(event_id: str) -> Item:
    alert_id = event_id.rpartition(":")[0]  # device:rule:episode:state
    return key(_episode(alert_id), f"event {event_id}")


def _event_item(event: AlertEvent) -> Item:
    place = sorting(event.at, event.event_id)
    index = {
        "d_pk": f"events/{event.device_id}",
        "d_sk": place,
        "t_pk": sharded("events", event.device_id),
        "t_sk": place,
    }
    return _event_key(event.event_id) | item_of(event) | attributes(index)


def _alert_item(alert: Alert) -> Item:
    place = sorting(alert.opened_at, alert.alert_id)
    index = {
        "d_pk": f"alerts/{alert.device_id}",
        "d_sk": place,
        "t_pk": sharded("alerts", alert.device_id),
        "t_sk": place,
    }
    if alert.closed_at is None:
        index |= {"w_pk": index["t_pk"], "w_sk": place}
    return key(_episode(alert.alert_id), _ALERT) | item_of(alert) | attributes(index)
