"""Sources, stages and actions of other packages, found by their entry points.

docs/extending.md shows one of each. What is found is imported only when it is to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fleetpulse.errors import SettingsError


class Extending(StrEnum):
    """What can be added; the group of the entry points."""

    SOURCES = "fleetpulse.sources"
    STAGES = "fleetpulse.stages"
    ACTIONS = "fleetpulse.actions"


def extensions(of: Extending) -> Mapping[str, EntryPoint]:
    """What is installed, by its name, in the order of names.

    Raises SettingsError for a name that two packages have.
    """
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=of), key=lambda each: each.name):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise SettingsError(
                f"Two packages bring {point.name} for {of} ({other.value} and {point.value}):"
                " uninstall one of them."
            )
    return found


def loaded(point: EntryPoint) -> Any:
    """What an entry point names. Raises SettingsError if it cannot be imported."""
    try:
        return point.load()
    except Exception as problem:  # it is somebody else's code: anything
        raise SettingsError(
            f"The extension {point.name} ({point.value}) cannot be loaded: {problem!r}."
            " Mend it, or uninstall its package."
        ) from problem
