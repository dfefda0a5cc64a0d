"""Which device a path means."""

from __future__ import annotations

from api.parts import store
from fleetpulse.errors import UnknownDevice
from fleetpulse.stores.protocols import Device
from fleetpulse.wire import is_identifier


def known_device(device_id: str) -> Device:
    """The device of that name. Raises UnknownDevice."""
    device = store().devices.get(device_id) if is_identifier(device_id) else None
    if device is None:
        raise UnknownDevice(device_id)
    return device
