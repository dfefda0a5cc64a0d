"""All of something that a store gives in pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetpulse.stores.protocols import Alert, Device, Store, StoredReading

DEVICES_A_PAGE = ALERTS_A_PAGE = 1_000


def all_devices(store: Store) -> Iterator[Device]:
    """Every device, in the order of their ids."""
    after: str | None = None
    while True:
        page = store.devices.page(after=after, limit=DEVICES_A_PAGE)
        yield from page
        if len(page) < DEVICES_A_PAGE:
            return
        after = page[-1].device_id


def all_alerts(
    store: Store,
    *,
    device_id: str | None = None,
    open_only: bool = False,
    since: int | None = None,
) -> Iterator[Alert]:
    """The alerts of one device, or of all, newest first, with since <= opened_at."""
    before: tuple[int, str] | None = None
    while True:
        page = store.alerts.page(
            device_id=device_id,
            open_only=open_only,
            since=since,
            before=before,
            limit=ALERTS_A_PAGE,
        )
        yield from page
        if len(page) < ALERTS_A_PAGE:
            return
        before = (page[-1].opened_at, page[-1].alert_id)


def reading_pages(
    store: Store, device_id: str, *, since: int, until: int, rows: int
) -> Iterator[Sequence[StoredReading]]:
    """A device's readings, since <= measured_at < until, in time order, so many at a time."""
    after: tuple[int, int] | None = None
    while page := store.readings.page(device_id, since=since, until=until, after=after, limit=rows):
        yield page
        after = (page[-1].measured_at, page[-1].seq)
