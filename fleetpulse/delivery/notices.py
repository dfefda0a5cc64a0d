"""The words of notices: about fleetpulse and its processes, and about a device over weeks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from fleetpulse.alerts import AlertEvent, Severity, State
from fleetpulse.delivery.words import ago, duration, number_of
from fleetpulse.notices import OURSELVES, Matter
from fleetpulse.stores.protocols import Alert, Store
from fleetpulse.watch import STOPPED

PROBLEM_CHARACTERS = 600
ALERTS_SHOWN = 10
TROUBLE, WELL, CARE = "⚠️", "✅", "🔧"
_NAME = f"<b>{OURSELVES}</b>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A matter in short, while it lasts and once it is over."""

    wrong: str
    well: str


WORDS: Mapping[str, Words] = {
    Matter.CONSUMER_SILENT: Words(wrong="the consumer is silent", well="the consumer is back"),
    Matter.BOT_SILENT: Words(wrong="the bot is silent", well="the bot is back"),
    Matter.CHAT_LOST: Words(
        wrong="a chat can no longer be reached", well="the chat can be reached again"
    ),
    Matter.NOTIFY_SILENT: Words(wrong="the notifier is silent", well="the notifier is back"),
    Matter.DEAD_LETTERS: Words(
        wrong="records cannot be read", well="no more unreadable records come"
    ),
    Matter.MODEL: Words(wrong="the models cannot be renewed", well="the models are in order again"),
    Matter.DRIFT: Words(
        wrong="the fleet is not what the models know",
        well="the fleet is what the models know again",
    ),
    Matter.COOLING: Words(wrong="its cooling has become worse", well="its cooling is good again"),
}


def is_notice(event: AlertEvent | Alert) -> bool:
    """Whether it is a notice: about fleetpulse itself, or about a device over weeks."""
    return event.device_id == event.kind == OURSELVES or event.rule in WORDS


def alert_lines(event: AlertEvent, began: AlertEvent | None) -> list[str]:
    """The message of one event of a notice."""
    if event.state is State.STRESSED:
        return [f"{_sign(event)} {_name(event)}: {_problem(event)}"]
    lasted = "" if began is None else f" It lasted {duration((event.at - began.at) / 1000)}."
    return [f"{WELL} {_name(event)}: {_words(event).well}.{lasted}"]


def summary_line(events: Sequence[AlertEvent], now_ms: int) -> str:
    """How one matter ended, and how often something happened."""
    newest = events[-1]
    count = f", {number_of(len(events), 'event')}" if len(events) > 1 else ""
    if newest.state is State.STRESSED:
        said = f"{_sign(newest)} {_name(newest)}: {_words(newest).wrong}"
    else:
        said = f"{WELL} {_name(newest)}: {_words(newest).well}"
    return f"{said}, {ago(newest.at, now_ms)}{count}"


def alert_line(alert: Alert, now_ms: int) -> str:
    """One line of the list of alerts."""
    when = ago(alert.changed_at, now_ms)
    if alert.closed_at is None:
        return f"{_sign(alert)} {_name(alert)}: {_problem(alert)} ({when})"
    return f"{WELL} {_name(alert)}: {_words(alert).well}, {when}"


def status_lines(store: Store, now_ms: int) -> list[str]:
    """What is wrong with fleetpulse itself, and when its processes were last heard of."""
    going_on = store.alerts.page(device_id=OURSELVES, open_only=True, limit=ALERTS_SHOWN)
    lines = [alert_line(alert, now_ms) for alert in going_on] or [f"🟢 {_NAME} is ok"]
    for beat in store.heartbeats.all():
        said = "was stopped" if beat.detail == STOPPED else "was heard of"
        lines.append(f"{escape(beat.process)} {said} {_when(beat.at, now_ms)}")
    return lines


def _when(at: int, now_ms: int) -> str:
    said = ago(at, now_ms)
    return "just now" if said == "now" else said


def _name(event: AlertEvent | Alert) -> str:
    return f"<b>{escape(event.device_id)}</b>"


def _sign(event: AlertEvent | Alert) -> str:
    return CARE if event.severity is Severity.INFO else TROUBLE


def _words(event: AlertEvent | Alert) -> Words:
    unknown = Words(wrong=escape(event.rule), well=f"{escape(event.rule)} is over")
    return WORDS.get(event.rule, unknown)


def _problem(event: AlertEvent | Alert) -> str:
    """The sentence that the alert was opened with."""
    if not event.causes:
        return f"{_words(event).wrong}."
    return escape(event.causes[0][:PROBLEM_CHARACTERS])
