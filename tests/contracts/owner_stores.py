"""What every store promises of chats, rule changes and heartbeats."""

from __future__ import annotations

from fleetpulse.alerts import Severity
from fleetpulse.stores.protocols import Store
from tests.contracts.builders import NOON, a_change, a_chat, a_heartbeat


class ChatStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_a_chat_comes_back_as_it_went_in(self, store: Store) -> None:
        chat = a_chat("telegram:-100200", title="Ädas 🏠", active=False)

        store.chats.put(chat)

        assert store.chats.get("telegram:-100200") == chat

    def test_an_unknown_chat_is_none(self, store: Store) -> None:
        assert store.chats.get("telegram:1") is None

    def test_a_chat_is_replaced(self, store: Store) -> None:
        store.chats.put(a_chat())

        store.chats.put(a_chat(title="Grace", active=False))

        assert store.chats.get("telegram:42") == a_chat(title="Grace", active=False)

    def test_active_chats_come_by_their_ids(self, store: Store) -> None:
        store.chats.put(a_chat("telegram:9"))
        store.chats.put(a_chat("telegram:10"))
        store.chats.put(a_chat("telegram:5", active=False))

        assert store.chats.active() == [a_chat("telegram:10"), a_chat("telegram:9")]


class RuleStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_a_change_comes_back_as_it_went_in(self, store: Store) -> None:
        full = a_change(limit=0.0, hold_s=0.0, threshold=0.5, severity=Severity.INFO, enabled=False)
        bare = a_change(rule="overload")

        store.rules.put(full)
        store.rules.put(bare)

        assert store.rules.of("pi-1") == [full, bare]

    def test_a_change_is_replaced_whole(self, store: Store) -> None:
        store.rules.put(a_change(limit=70.0, enabled=True))

        store.rules.put(a_change(hold_s=5.0, changed_at=NOON + 1))

        assert store.rules.of("pi-1") == [a_change(hold_s=5.0, changed_at=NOON + 1)]

    def test_changes_of_one_device_come_by_rule(self, store: Store) -> None:
        for rule in ("overload", "disk", "heat"):
            store.rules.put(a_change(rule=rule))
        store.rules.put(a_change("pi-10"))

        assert [change.rule for change in store.rules.of("pi-1")] == ["disk", "heat", "overload"]
        assert store.rules.of("nobody") == []

    def test_changes_since_a_moment_come_oldest_first(self, store: Store) -> None:
        in_order = [
            a_change("pi-2", changed_at=NOON),
            a_change("pc-1", changed_at=NOON + 1),
            a_change("pi-1", "disk", changed_at=NOON + 1),
            a_change("pi-1", "heat", changed_at=NOON + 1),
        ]
        for change in reversed(in_order):
            store.rules.put(change)

        assert store.rules.changed_since(0) == in_order
        assert store.rules.changed_since(NOON + 1) == in_order[1:]
        assert store.rules.changed_since(NOON + 2) == []


class HeartbeatStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_nobody_is_alive_at_first(self, store: Store) -> None:
        assert store.heartbeats.all() == []

    def test_the_newest_heartbeat_of_each_process_is_kept(self, store: Store) -> None:
        store.heartbeats.beat(a_heartbeat("consumer"))
        store.heartbeats.beat(a_heartbeat("bot"))
        store.heartbeats.beat(a_heartbeat("consumer", at=NOON + 1, detail="lag 12 s"))

        assert store.heartbeats.all() == [
            a_heartbeat("bot"),
            a_heartbeat("consumer", at=NOON + 1, detail="lag 12 s"),
        ]
