"""Every error that fleetpulse raises on purpose, and who acts on it.

FleetpulseError
├── SettingsError      this process is misconfigured: one sentence, exit 2 at start-up
├── StartError         a port, a lock or a file is not to be had: one sentence, exit 1
├── DecodeError        this record will never parse: dead letter
├── DataError          a file of recorded readings cannot be used: one sentence, exit 1
├── ModelError         a model file is missing, changed, or not ours: the last good one serves on
├── UnknownDevice      nobody has heard of it: HTTP 404, polite bot reply
├── UnknownRule        there is no such rule: HTTP 404, polite bot reply
├── InvalidRule        a rule's values make no sense: HTTP 400, polite bot reply
├── UnknownAlert       there is no such alert: HTTP 404, polite bot reply
├── InvalidWish        what a chat or a person wants makes no sense: HTTP 400, polite bot reply
├── GroupInUse         people own it or chats have chosen it: HTTP 409, exit 1
├── BrokerError        Kafka failed or refused: hold, try again
│   ├── BrokerAway     it does not answer: a process that starts waits for it
│   └── SchemaError    the schema registry failed, refused or is away: hold, try again
├── StoreError         the backend failed: hold, try again, say so in /readyz
│   ├── StoreAway      it does not answer: a process that starts waits for it
│   └── StoreBusy      it asks for time: hold the partitions, write again after `retry_after_s`
└── NotifyError        a channel refused; `permanent` says whether to give up, and what

Messages are one sentence: what is wrong, where, and what to do. They never hold secrets.
"""

from __future__ import annotations


class FleetpulseError(Exception):
    """The root: catch it at the outermost edge only."""


class SettingsError(FleetpulseError):
    """A process was given wrong or missing settings; the message names all of them."""


class StartError(FleetpulseError):
    """Something that a process needs to start is taken or missing."""


class DecodeError(FleetpulseError):
    """A record that can never become a reading; `cause` is a short, stable code."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


class DataError(FleetpulseError):
    """A file of recorded readings cannot be used; the message says where and why."""


class ModelError(FleetpulseError):
    """A model cannot be used; the message says which file and why."""


class UnknownDevice(FleetpulseError):
    """No reading of this device was ever stored."""

    def __init__(self, device_id: str) -> None:
        super().__init__(f"There is no device called {device_id!r}.")
        self.device_id = device_id


class UnknownRule(FleetpulseError):
    """No rule has this name for this kind of device."""

    def __init__(self, rule: str, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no rule called {rule!r}; the rules are {', '.join(known)}.")
        self.rule = rule
        self.known = known


class InvalidRule(FleetpulseError):
    """A rule's limit, hold time or threshold is outside what can work."""


class UnknownAlert(FleetpulseError):
    """No alert has this name."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"There is no alert called {alert_id[:160]!r}.")
        self.alert_id = alert_id


class InvalidWish(FleetpulseError):
    """What a chat or a person wants cannot be; the message says why."""


class GroupInUse(FleetpulseError):
    """A group cannot be removed while people own it or chats have chosen it; says who."""


class BrokerError(FleetpulseError):
    """Kafka could not be reached or refused."""


class BrokerAway(BrokerError):
    """Kafka does not answer, and may do so later."""


class SchemaError(BrokerError):
    """The schema registry could not be reached or refused."""


class StoreError(FleetpulseError):
    """The store failed."""


class StoreAway(StoreError):
    """The store does not answer, and may do so later."""


class StoreBusy(StoreError):
    """The store asks for time."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotifyError(FleetpulseError):
    """A channel did not take a message."""

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after_s: float | None = None,
        moved_to: str | None = None,
        only_message: bool = False,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.only_message = only_message  # what is given up is this message, not the channel
        self.retry_after_s = retry_after_s
        self.moved_to = moved_to  # the id that the chat has now
