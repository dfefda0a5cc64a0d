"""What every store promises of devices."""

from __future__ import annotations

from fleetpulse.stores.protocols import ClockAhead, Device, Store
from tests.contracts.builders import NOON, a_device, scored


class DeviceStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_a_device_comes_back_as_it_went_in(self, store: Store) -> None:
        device = a_device("pi.attic_2", clock_ahead_ms=400_000, clock_ahead_at=NOON)

        store.save(scored(new_devices=[device]))

        assert store.devices.get("pi.attic_2") == device

    def test_an_unknown_device_is_none(self, store: Store) -> None:
        assert store.devices.get("nobody") is None

    def test_a_device_that_exists_takes_the_new_kind_and_nothing_else(self, store: Store) -> None:
        store.save(scored(new_devices=[a_device()]))

        store.save(scored(new_devices=[a_device(kind="pc", first_seen_at=1), a_device("pi-2")]))

        assert store.devices.page() == [a_device(kind="pc"), a_device("pi-2")]

    def test_devices_come_in_the_order_of_their_ids(self, store: Store) -> None:
        names = ["pi-2", "PI-1", "pi-10", "a.b", "a-b", "a_b"]
        store.save(scored(new_devices=[a_device(name) for name in names]))

        found = [device.device_id for device in store.devices.page()]

        assert found == ["PI-1", "a-b", "a.b", "a_b", "pi-10", "pi-2"]

    def test_pages_after_one_another_give_every_device_once(self, store: Store) -> None:
        devices = [a_device(f"pi-{number:02}") for number in range(7)]
        store.save(scored(new_devices=devices))

        paged: list[Device] = []
        after: str | None = None
        while page := store.devices.page(after=after, limit=3):
            assert len(page) <= 3
            assert len(paged) < 100  # pages that go round and round never end
            paged.extend(page)
            after = page[-1].device_id

        assert paged == devices

    def test_a_page_continues_after_a_device_that_is_not_there(self, store: Store) -> None:
        store.save(scored(new_devices=[a_device("a"), a_device("c")]))

        assert store.devices.page(after="b") == [a_device("c")]

    def test_a_clock_that_is_ahead_is_remembered(self, store: Store) -> None:
        store.save(scored(new_devices=[a_device()]))

        store.devices.clocks_ahead(
            [ClockAhead(device_id="pi-1", kind="raspberry", ahead_ms=400_000, at=NOON + 1)]
        )
        store.devices.clocks_ahead(
            [ClockAhead(device_id="pi-1", kind="raspberry", ahead_ms=500_000, at=NOON + 2)]
        )

        assert store.devices.get("pi-1") == a_device(
            clock_ahead_ms=500_000, clock_ahead_at=NOON + 2
        )

    def test_a_clock_that_is_ahead_makes_the_device(self, store: Store) -> None:
        store.devices.clocks_ahead(
            [ClockAhead(device_id="pi-9", kind="raspberry", ahead_ms=400_000, at=NOON)]
        )

        found = store.devices.get("pi-9")
        assert found is not None
        assert (found.kind, found.clock_ahead_ms, found.clock_ahead_at) == (
            "raspberry",
            400_000,
            NOON,
        )
