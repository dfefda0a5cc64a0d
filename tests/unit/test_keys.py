"""Keys are shown once, kept as a hash, and open what they were made for and nothing else."""

from __future__ import annotations

import hmac

import pytest

from fleetpulse.clock import ManualClock
from fleetpulse.keys import Purpose, end, find, make_key, may, session_of
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import ApiKey, KeyStore, Scope

NOW = ManualClock().now_ms()
DAY_MS = 24 * 3_600_000


@pytest.fixture
def kept() -> KeyStore:
    return MemoryStore().keys


def a_key(
    kept: KeyStore,
    *scopes: Scope,
    purpose: Purpose = Purpose.KEY,
    device_id: str | None = None,
    expires_at: int | None = None,
) -> tuple[ApiKey, str]:
    """A key in the store, and its text."""
    key, text = make_key(
        "display",
        scopes or (Scope.READ,),
        now_ms=NOW,
        purpose=purpose,
        device_id=device_id,
        expires_at=expires_at,
    )
    kept.put(key)
    return key, text


def test_a_text_can_be_recognised_and_holds_256_random_bits() -> None:
    key, text = make_key("display", [Scope.READ], now_ms=NOW)

    prefix, key_id, secret = text.split("_")

    assert (prefix, key_id) == ("fp", key.key_id)
    assert len(key_id) == 9
    assert len(secret) == 52  # of 5 bits each
    assert secret.isalnum()


def test_neither_the_secret_nor_the_text_is_kept() -> None:
    key, text = make_key("display", [Scope.READ], now_ms=NOW)

    assert text.split("_")[2] not in repr(key)
    assert len(key.digest) == 64


def test_no_two_keys_are_the_same() -> None:
    texts = {make_key("display", [Scope.READ], now_ms=NOW)[1] for _ in range(100)}

    assert len(texts) == 100


def test_a_key_is_found_by_its_text(kept: KeyStore) -> None:
    key, text = a_key(kept)

    assert find(kept, text, Purpose.KEY, now_ms=NOW) == key


def test_a_right_key_id_with_another_secret_opens_nothing(kept: KeyStore) -> None:
    key, _ = a_key(kept)
    _, other = a_key(kept)

    forged = f"fp_{key.key_id}_{other.split('_')[2]}"

    assert find(kept, forged, Purpose.KEY, now_ms=NOW) is None


@pytest.mark.parametrize(
    "text",
    ["", "fp", "fp__", "fp_k2345678_", "fp_nobody_", "x" * 10_000, "fp_ké_x", "fp_a_b_c", "\x00"],
)
def test_what_is_no_key_opens_nothing(kept: KeyStore, text: str) -> None:
    assert find(kept, text, Purpose.KEY, now_ms=NOW) is None


def test_the_digest_of_a_key_does_not_open_it(kept: KeyStore) -> None:
    key, _ = a_key(kept)

    assert find(kept, f"fp_{key.key_id}_{key.digest}", Purpose.KEY, now_ms=NOW) is None


def test_an_expired_key_opens_nothing(kept: KeyStore) -> None:
    key, text = a_key(kept, expires_at=NOW + 1000)

    assert find(kept, text, Purpose.KEY, now_ms=NOW + 999) == key
    assert find(kept, text, Purpose.KEY, now_ms=NOW + 1000) is None


def test_a_revoked_key_opens_nothing(kept: KeyStore) -> None:
    key, text = a_key(kept)

    kept.revoke(key.key_id, NOW)

    assert find(kept, text, Purpose.KEY, now_ms=NOW) is None


@pytest.mark.parametrize("made_for", Purpose)
@pytest.mark.parametrize("used_for", Purpose)
def test_a_key_serves_its_own_purpose_only(
    kept: KeyStore, made_for: Purpose, used_for: Purpose
) -> None:
    _, text = a_key(kept, purpose=made_for)

    found = find(kept, text, used_for, now_ms=NOW)

    assert (found is not None) is (made_for is used_for)


@pytest.mark.parametrize("known", [True, False])
def test_a_secret_is_compared_in_constant_time_for_unknown_keys_too(
    kept: KeyStore, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    in_constant_time = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return in_constant_time(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    text = a_key(kept)[1] if known else "no key at all"

    find(kept, text, Purpose.KEY, now_ms=NOW)

    assert compared == [(64, 64)]


@pytest.mark.parametrize(
    ("has", "opens"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.ACT, {Scope.ACT, Scope.READ}),
        (Scope.ADMIN, set(Scope)),
        (Scope.INGEST, {Scope.INGEST}),
    ],
)
def test_a_scope_opens_what_it_includes(has: Scope, opens: set[Scope]) -> None:
    device_id = "pi-1" if has is Scope.INGEST else None
    key, _ = make_key("k", [has], now_ms=NOW, device_id=device_id)

    assert {scope for scope in Scope if may(key, scope)} == opens


@pytest.mark.parametrize(
    ("name", "scopes", "device_id", "says"),
    [
        ("k", [], None, "needs a scope"),
        ("k", [Scope.INGEST], None, "bound to one device"),
        ("k", [Scope.READ, Scope.INGEST], None, "bound to one device"),
        ("k", [Scope.ADMIN], "pi-1", "cannot be bound"),
        ("k", [Scope.READ], "pi 1", "1 to 64"),
        ("", [Scope.READ], None, "name"),
        ("k" * 101, [Scope.READ], None, "name"),
        ("a\nb", [Scope.READ], None, "printable"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    name: str, scopes: list[Scope], device_id: str | None, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        make_key(name, scopes, now_ms=NOW, device_id=device_id)


def test_a_session_may_what_its_key_may_and_no_longer_than_it(kept: KeyStore) -> None:
    key, _ = a_key(kept, device_id="pi-1", expires_at=NOW + DAY_MS)

    session, _ = session_of(key, now_ms=NOW)

    assert (session.scopes, session.device_id) == ([Scope.READ], "pi-1")
    assert session.expires_at == NOW + DAY_MS


def test_a_session_lasts_30_days(kept: KeyStore) -> None:
    key, _ = a_key(kept)

    session, _ = session_of(key, now_ms=NOW)

    assert session.expires_at == NOW + 30 * DAY_MS


def test_a_session_ends_with_its_key(kept: KeyStore) -> None:
    key, _ = a_key(kept)
    session, text = session_of(key, now_ms=NOW)
    kept.put(session)
    assert find(kept, text, Purpose.SESSION, now_ms=NOW) == session

    kept.revoke(key.key_id, NOW)

    assert find(kept, text, Purpose.SESSION, now_ms=NOW) is None


def test_a_session_outlives_the_link_that_opened_it(kept: KeyStore) -> None:
    link, _ = a_key(kept, purpose=Purpose.LINK, expires_at=NOW + 600_000)
    session, text = session_of(link, now_ms=NOW)
    kept.put(session)

    kept.revoke(link.key_id, NOW)

    assert find(kept, text, Purpose.SESSION, now_ms=NOW + DAY_MS) == session


@pytest.mark.parametrize("purpose", [Purpose.KEY, Purpose.LINK])
def test_whoever_ends_a_key_or_a_link_ends_the_sessions_that_it_opened(
    kept: KeyStore, purpose: Purpose
) -> None:
    opener, _ = a_key(kept, purpose=purpose)
    session, text = session_of(opener, now_ms=NOW)
    other, other_text = session_of(a_key(kept, purpose=purpose)[0], now_ms=NOW)
    for each in (session, other):
        kept.put(each)
    kept.revoke(opener.key_id, NOW)  # as a link is once it was used

    assert end(kept, opener.key_id, NOW) == [session.key_id]

    assert find(kept, text, Purpose.SESSION, now_ms=NOW) is None
    assert find(kept, other_text, Purpose.SESSION, now_ms=NOW) == other
