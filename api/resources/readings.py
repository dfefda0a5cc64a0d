"""/devices/{device_id}/readings: what was measured, with what was predicted from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource, fields

from api import pages, query
from api.devices_known import known_device
from api.documented import DEVICE_IN_PATH, UNKNOWN_DEVICE, documented, page_model, with_models
from api.fields import channel_fields, count, moment, number, optional, texts, words
from api.parts import now_ms, parts, store
from api.tiers import fitting
from fleetpulse.alerts import Status
from fleetpulse.stores.protocols import Device, Resolution, Rollup, StoredReading

PREDICTION_FIELDS: dict[str, fields.Raw] = {
    "device_id": words("The device", "pi-attic"),
    "measured_at": moment("When it was measured"),
    "seq": count("The device's own count of its readings; grows across restarts", 412),
    "probability": number(
        "Probability, 0 to 1, that the worst rule holds within the model's horizon; an estimate"
        " where the status is unknown; null: no rule's channel was measured, or the machine is far"
        " from all that the model knows",
        0.83,
    ),
    "expected_s": number("Seconds until it is expected to hold; null: it is not expected", 74.0),
    "status": words(
        "Status by the worst rule at this reading", "soon", enum=[str(each) for each in Status]
    ),
    "causes": texts(
        "Why, in words; only warnings have causes", ["temperature rises 9 °C a minute"]
    ),
    "model_version": words("The model that predicted", "2026-11-22-5f2c", nullable=True),
}
READING = Model(
    "Reading",
    {
        **PREDICTION_FIELDS,
        **channel_fields(),
        "rejected": count("Channels that came with an impossible value (stored as null)", 0),
    },
)
SPREAD = Model(
    "Spread",
    {
        "count": count("Readings that have the channel", 12),
        "min": number("The lowest, in the channel's unit", 58.1, nullable=False),
        "max": number("The highest, in the channel's unit", 63.0, nullable=False),
        "mean": number("The mean, in the channel's unit", 60.4, nullable=False),
        "last": number("The newest, in the channel's unit", 61.3, nullable=False),
    },
)
EVERY_ITEM = ("device_id", "measured_at", "probability")
HISTORY_ITEM = Model(
    "HistoryItem",
    {
        **{
            name: field if name in EVERY_ITEM else optional(field)
            for name, field in READING.items()
        },
        "resolution": fields.String(
            description="Of a rollup only: how long its bucket is; measured_at is its begin, and"
            " probability the worst in it",
            example="1m",
            enum=[Resolution.MINUTE, Resolution.HOUR],
        ),
        "count": fields.Integer(description="Of a rollup only: readings in it", example=12),
        "channels": fields.Raw(
            description="Of a rollup only: each channel by name, with count, min, max, mean and"
            " last (see Spread); one that no reading has is left out",
            example={
                "temperature_c": {"count": 12, "min": 58.1, "max": 63, "mean": 60.4, "last": 61.3}
            },
        ),
    },
)
HISTORY_PAGE = page_model(
    HISTORY_ITEM,
    resolution=words("The resolution of these items", "raw", enum=list(map(str, Resolution))),
)

readings = with_models(
    Namespace("readings", "What was measured", path="/api/v1/devices"),
    READING,
    SPREAD,
    HISTORY_ITEM,
    HISTORY_PAGE,
)

PARAMETERS = (
    query.SINCE,
    query.UNTIL,
    query.ORDER,
    query.RESOLUTION,
    query.LIMIT,
    query.CURSOR,
)


@readings.route("/<string:device_id>/readings")
@readings.doc(params=DEVICE_IN_PATH)
class Readings(Resource):
    """The readings of a device."""

    @documented(
        readings,
        HISTORY_PAGE,
        "A page of readings, or of their rollups",
        parameters=PARAMETERS,
        problems=UNKNOWN_DEVICE,
    )
    def get(self, device_id: str) -> Response:
        """Readings of one device: every channel in its unit, and the prediction"""
        device = known_device(device_id)
        asked = query.asked(*PARAMETERS)
        resolution = asked["resolution"] or resolution_for(device, asked)
        if resolution is Resolution.RAW:
            found: Sequence[Any] = readings_asked(device_id, asked)
            key: Callable[[Any], Any] = key_of
        else:
            found, key = rollups_asked(device_id, resolution, asked), bucket_of
        return pages.page(
            found,
            asked["limit"],
            listed=name_of_list(asked, resolution),
            key=key,
            view=msgspec.to_builtins,
            resolution=resolution,
        )


def name_of_list(asked: dict[str, Any], resolution: Resolution = Resolution.RAW) -> str:
    """What the cursors of this list carry."""
    tier = "" if resolution is Resolution.RAW else f"-{resolution}"
    return f"readings-{asked['order']}{tier}"


def resolution_for(device: Device, asked: dict[str, Any]) -> Resolution:
    """What `auto` means here; on later pages the same as on the first one, whatever the time."""
    if asked["cursor"] is not None:
        listed = pages.list_of(asked["cursor"])
        return next(
            (each for each in Resolution if name_of_list(asked, each) == listed), Resolution.RAW
        )
    now = now_ms()
    return fitting(
        since=max(asked["since"] or 0, device.first_seen_at),
        until=min(now if asked["until"] is None else asked["until"], now),
        now_ms=now,
        retention=parts().retention,
    )


def rollups_asked(
    device_id: str, resolution: Resolution, asked: dict[str, Any]
) -> Sequence[Rollup]:
    """The rollups that were asked for, and one more if there is one."""
    return store().readings.rollups(
        device_id,
        resolution,
        since=asked["since"],
        until=asked["until"],
        after=pages.place(asked["cursor"], name_of_list(asked, resolution), pages.Whole),
        limit=asked["limit"] + 1,
        newest_first=asked["order"] == "desc",
    )


def bucket_of(rollup: Rollup) -> int:
    """A rollup's place among those of its device."""
    return rollup.measured_at


def readings_asked(device_id: str, asked: dict[str, Any]) -> list[StoredReading]:
    """The readings that were asked for, and one more if there is one."""
    return list(
        store().readings.page(
            device_id,
            since=asked["since"],
            until=asked["until"],
            after=pages.place(
                asked["cursor"], name_of_list(asked), tuple[pages.Whole, pages.Whole]
            ),
            limit=asked["limit"] + 1,
            newest_first=asked["order"] == "desc",
        )
    )


def key_of(reading: StoredReading) -> tuple[int, int]:
    """A reading's place among those of its device."""
    return reading.measured_at, reading.seq
