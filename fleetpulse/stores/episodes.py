"""What an episode looks like, worked out from its events alone, whatever their order of arrival."""

from __future__ import annotations

from collections.abc import Iterable

from fleetpulse.alerts import AlertEvent, Severity, State
from fleetpulse.stores.protocols import Alert

CLOSING: frozenset[State] = frozenset({State.OK, State.RECOVERED, State.ONLINE})

# The order in which an episode goes through its states; the clock of a device may be set back.
_STEP: dict[State, int] = {
    state: step
    for step, state in enumerate(
        (
            State.OFFLINE,
            State.UNKNOWN,
            State.SOON,
            State.STRESSED,
            State.OK,
            State.RECOVERED,
            State.ONLINE,
            State.ACKNOWLEDGED,
        )
    )
}
_WEIGHT: dict[Severity, int] = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def alert_id_of(event: AlertEvent) -> str:
    """The name of the episode that an event belongs to."""
    return f"{event.device_id}:{event.rule}:{event.episode}"


def alert_of(events: Iterable[AlertEvent]) -> Alert:
    """The episode that these events tell: all that are known of it, at least one.

    It depends on the set of events only, so an event that is saved late, twice or out of order
    cannot move an alert back.
    """
    known = list(events)
    seen = next((event for event in known if event.state is State.ACKNOWLEDGED), None)
    # Should all else have been lost, what was acknowledged is still an episode.
    moves = [event for event in known if event.state is not State.ACKNOWLEDGED] or known
    told = sorted(moves, key=lambda event: (_STEP[event.state], event.at))
    opening, newest = told[0], told[-1]
    return Alert(
        alert_id=alert_id_of(opening),
        device_id=opening.device_id,
        kind=opening.kind,
        rule=opening.rule,
        episode=opening.episode,
        state=newest.state,
        severity=max((event.severity for event in told), key=_WEIGHT.__getitem__),
        opened_at=opening.at,
        changed_at=newest.at,
        closed_at=max(opening.at, newest.at) if newest.state in CLOSING else None,
        stressed_at=next((event.at for event in told if event.state is State.STRESSED), None),
        probability=opening.probability,
        expected_s=opening.expected_s,
        value=_newest_known([event.value for event in told]),
        limit=_newest_known([event.limit for event in told]),
        causes=opening.causes,
        model_version=opening.model_version,
        acknowledged_at=seen.at if seen else None,
        acknowledged_by=seen.said_by if seen else None,
    )


def _newest_known(values: list[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)
