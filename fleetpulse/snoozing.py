"""Beginning and ending a silence about some devices, the same from every screen."""

from __future__ import annotations

from fleetpulse.delivery.readers import release
from fleetpulse.people import People, Snooze
from fleetpulse.stores.protocols import Store

KEPT_MS = 24 * 3_600_000  # after its end; then nobody asks any more who it was


def snooze(store: Store, selector: str, *, until: int, said_by: str, now_ms: int) -> Snooze:
    """The snooze that holds now: this one, or the one that is there if it ends no sooner.

    So a button for an hour never cuts short what somebody has silenced for a week; whoever wants
    that ends it first. until: Unix ms. said_by: in words. Raises StoreError.
    """
    kept = People(store.documents).snoozes
    _drop_old(store, now_ms)
    before = kept.get(selector)
    if before is not None and before.until >= until:
        return before
    found = Snooze(until=until, said_by=said_by)
    kept.put(selector, found)
    release(store, "", now_ms)
    return found


def end_snooze(store: Store, selector: str, now_ms: int) -> bool:
    """Whether there was a snooze that lasted; it is over, and what waited for it is told.

    Raises StoreError.
    """
    before = People(store.documents).snoozes.take(selector)
    if before is None or before.until <= now_ms:
        return False
    release(store, "", now_ms)
    return True


def _drop_old(store: Store, now_ms: int) -> None:
    snoozes = People(store.documents).snoozes
    for selector, each in snoozes.all().items():
        if each.until < now_ms - KEPT_MS:
            snoozes.take(selector)
