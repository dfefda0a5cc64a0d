"""How a call fails: the Bot API's no, in Telegram's own words; a gateway's; a broken connection."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """A call that is answered with an error; `code` is its HTTP status.

    parameters: what a program may do about it, as the Bot API's ResponseParameters.
    """

    def __init__(
        self, code: int, description: str, parameters: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


class BadRequest(Refusal):
    """The call cannot be done as it was asked."""

    def __init__(self, reason: str, parameters: Mapping[str, int] | None = None) -> None:
        super().__init__(400, f"Bad Request: {reason}", parameters)


class Conflict(Refusal):
    """Another call took this one's place."""

    def __init__(self, reason: str) -> None:
        super().__init__(409, f"Conflict: {reason}")


class SecondPoll(Conflict):
    """Another getUpdates took this one's place."""

    def __init__(self) -> None:
        super().__init__(
            "terminated by other getUpdates request; make sure that only one bot instance is"
            " running"
        )


class TooMany(Refusal):
    """There were too many calls; after so many seconds the next one is taken."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            429,
            f"Too Many Requests: retry after {retry_after_s}",
            {"retry_after": retry_after_s},
        )


class GatewayFailure(Exception):
    """What stands before the Bot API answers in its place: HTML with this status."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a gateway answers {code}")
        self.code = code


class ConnectionBroken(Exception):
    """The call is never answered."""
