"""What every store promises of chats, rule changes, keys, heartbeats and documents."""

from __future__ import annotations

import threading

from msgspec.structs import replace

from fleetpulse.alerts import Severity
from fleetpulse.stores.protocols import Scope, Store
from tests.contracts.builders import NOON, a_change, a_chat, a_heartbeat, a_key


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


class KeyStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_a_key_comes_back_as_it_went_in(self, store: Store) -> None:
        full = a_key(
            "Pi_attic.2-b",
            name="Ädas Schlüssel 🗝",
            scopes=[Scope.INGEST, Scope.READ],
            device_id="pi-1",
            expires_at=0,
            revoked_at=NOON,
        )
        bare = a_key(scopes=[])

        store.keys.put(full)
        store.keys.put(bare)

        assert store.keys.get("Pi_attic.2-b") == full
        assert store.keys.get("k1") == bare

    def test_an_unknown_key_is_none(self, store: Store) -> None:
        store.keys.put(a_key("k1"))

        assert store.keys.get("k") is None
        assert store.keys.get("K1") is None

    def test_a_key_is_replaced(self, store: Store) -> None:
        store.keys.put(a_key(device_id="pi-1"))

        store.keys.put(a_key(scopes=[Scope.ADMIN]))

        assert store.keys.all() == [a_key(scopes=[Scope.ADMIN])]

    def test_keys_come_by_when_they_were_made_and_their_ids(self, store: Store) -> None:
        in_order = [a_key("z", created_at=1), a_key("B"), a_key("a"), a_key("b")]
        for key in reversed(in_order):
            store.keys.put(key)

        assert store.keys.all() == in_order

    def test_a_revoked_key_is_kept_with_the_moment_of_its_end(self, store: Store) -> None:
        store.keys.put(a_key())
        store.keys.put(a_key("k2"))

        assert store.keys.revoke("k1", NOON + 1)

        assert store.keys.all() == [replace(a_key(), revoked_at=NOON + 1), a_key("k2")]

    def test_a_key_is_revoked_once(self, store: Store) -> None:
        store.keys.put(a_key())
        store.keys.revoke("k1", 0)

        assert not store.keys.revoke("k1", NOON)
        assert not store.keys.revoke("unknown", NOON)
        assert store.keys.all() == [a_key(revoked_at=0)]

    def test_of_many_who_revoke_a_key_at_once_exactly_one_did_it(self, store: Store) -> None:
        store.keys.put(a_key())
        together = threading.Barrier(8)
        did_it: list[int] = []

        def revoke(number: int) -> None:
            together.wait()
            if store.keys.revoke("k1", NOON + number):
                did_it.append(number)

        threads = [threading.Thread(target=revoke, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        (winner,) = did_it
        assert store.keys.get("k1") == a_key(revoked_at=NOON + winner)


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


class DocumentStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_a_document_comes_back_as_it_went_in(self, store: Store) -> None:
        document = '{"name": "Ädas 🏠", "list": [1.5, null]}'.encode()

        store.documents.put("people", "Äda/1 #2", document)

        assert store.documents.get("people", "Äda/1 #2") == document

    def test_an_unknown_document_is_none(self, store: Store) -> None:
        store.documents.put("people", "ada", b"{}")

        assert store.documents.get("people", "bob") is None
        assert store.documents.get("groups", "ada") is None

    def test_a_document_is_replaced(self, store: Store) -> None:
        store.documents.put("people", "ada", b"{}")

        store.documents.put("people", "ada", b"[]")

        assert store.documents.all("people") == {"ada": b"[]"}

    def test_documents_of_one_collection_come_by_name(self, store: Store) -> None:
        for name in ("b", "a", "B", "a2"):
            store.documents.put("people", name, name.encode())
        store.documents.put("people2", "c", b"c")

        assert list(store.documents.all("people").items()) == [
            ("B", b"B"),
            ("a", b"a"),
            ("a2", b"a2"),
            ("b", b"b"),
        ]
        assert store.documents.all("nothing") == {}

    def test_a_document_that_is_taken_is_gone(self, store: Store) -> None:
        store.documents.put("codes", "1", b"one")
        store.documents.put("codes", "2", b"two")

        assert store.documents.take("codes", "1") == b"one"
        assert store.documents.take("codes", "1") is None
        assert store.documents.all("codes") == {"2": b"two"}

    def test_of_many_who_take_a_document_at_once_exactly_one_gets_it(self, store: Store) -> None:
        store.documents.put("codes", "1", b"one")
        together = threading.Barrier(8)
        taken: list[bytes | None] = []

        def take() -> None:
            together.wait()
            taken.append(store.documents.take("codes", "1"))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (taken.count(b"one"), taken.count(None)) == (1, 7)
