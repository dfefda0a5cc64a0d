"""Which device has which row in the dense tables of the stages."""

from __future__ import annotations

from collections.abc import Iterable

from consumer.batch import Partition


class Roster:
    """Device ids to slots: small whole numbers, given out in the order of first sight."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._partitions: list[Partition] = []
        self._changed: set[int] = set()
        self.device_ids: list[str] = []
        self.kinds: list[str] = []

    def __len__(self) -> int:
        return len(self._slots)

    def slot(self, device_id: str, kind: str, partition: Partition) -> tuple[int, bool]:
        """The device's slot, and whether it, or its kind, is new here."""
        slot = self._slots.get(device_id)
        if slot is None:
            return self._add(device_id, kind, partition), True
        self._partitions[slot] = partition
        if self.kinds[slot] == kind:
            return slot, False
        self.kinds[slot] = kind
        self._changed.add(slot)
        return slot, True

    def known(self, device_id: str) -> int | None:
        """The device's slot, if it has one."""
        return self._slots.get(device_id)

    def partition(self, slot: int) -> Partition:
        """Where the device was last seen."""
        return self._partitions[slot]

    def of(self, partitions: Iterable[Partition]) -> list[int]:
        """The slots of devices last seen in these partitions."""
        wanted = set(partitions)
        return [slot for slot, partition in enumerate(self._partitions) if partition in wanted]

    def take_changed(self) -> set[int]:
        """The slots that are new or of another kind since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def _add(self, device_id: str, kind: str, partition: Partition) -> int:
        slot = self._slots[device_id] = len(self._slots)
        self.device_ids.append(device_id)
        self.kinds.append(kind)
        self._partitions.append(partition)
        self._changed.add(slot)
        return slot
