"""Which device and alert a request means, and which devices the caller may see."""

from __future__ import annotations

from typing import Annotated

import msgspec

from api.callers import only_device
from api.parts import store
from fleetpulse.errors import UnknownAlert, UnknownDevice
from fleetpulse.stores.pages import all_devices
from fleetpulse.stores.protocols import Alert, Device
from fleetpulse.wire import is_identifier

AlertId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:-]{1,160}\Z")]


def known_device(device_id: str) -> Device:
    """The device of that name. Raises UnknownDevice."""
    device = store().devices.get(device_id) if is_identifier(device_id) else None
    if device is None:
        raise UnknownDevice(device_id)
    return device


def alert_of_device(device_id: str, alert_id: str) -> Alert:
    """The alert of that name, if it is of that device. Raises UnknownAlert."""
    alert = store().alerts.get(alert_id)
    if alert is None or alert.device_id != device_id:
        raise UnknownAlert(alert_id)
    return alert


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
