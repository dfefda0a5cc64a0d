"""Which device a path means, and which devices the caller may see."""

from __future__ import annotations

from api.callers import only_device
from api.parts import store
from fleetpulse.errors import UnknownDevice
from fleetpulse.stores.pages import all_devices
from fleetpulse.stores.protocols import Device
from fleetpulse.wire import is_identifier


def known_device(device_id: str) -> Device:
    """The device of that name. Raises UnknownDevice."""
    device = store().devices.get(device_id) if is_identifier(device_id) else None
    if device is None:
        raise UnknownDevice(device_id)
    return device


def devices_shown() -> list[Device]:
    """Every device that the caller may know of, by name."""
    only = only_device()
    if only is None:
        return list(all_devices(store()))
    found = store().devices.get(only)
    return [] if found is None else [found]


def devices_page(after: str | None, limit: int) -> list[Device]:
    """A page of the devices that the caller may know of, by name."""
    if only_device() is None:
        return list(store().devices.page(after=after, limit=limit))
    return [device for device in devices_shown() if after is None or device.device_id > after]
