"""Stages of other packages: they see each batch once it is judged, and break nothing of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from consumer.batch import Batch
from fleetpulse.extensions import Extending, extensions, loaded
from fleetpulse.health import Health

Stage = Callable[[Batch], Batch]

log = logging.getLogger(__name__)


def extension_stages(health: Health) -> Mapping[str, Stage]:
    """The stages that are installed, by name. Raises SettingsError."""
    return {
        name: unharmed(name, loaded(point)(), health)
        for name, point in extensions(Extending.STAGES).items()
    }


def unharmed(name: str, stage: Stage, health: Health) -> Stage:
    """The stage; where it fails the batch goes on as it came, and /readyz says so.

    A batch that comes back with other readings than it went in with is a failure too: what is
    stored is what was judged.
    """
    part = f"extension {name}"

    def guarded(batch: Batch) -> Batch:
        try:
            after = stage(batch)
            if len(after) != len(batch):
                raise ValueError(f"it made {len(after)} readings of {len(batch)}")
        except Exception as problem:
            log.exception("extension failed", extra={"extension": name})
            health.report(part, f"The extension {name} fails: {problem!r}.")
            return batch
        health.report(part, None)
        return after

    return guarded
