"""How the Bot API says no: a status and a sentence, in Telegram's own words."""

from __future__ import annotations


class Refusal(Exception):
    """A call that is answered with an error; `code` is its HTTP status."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class BadRequest(Refusal):
    """The call cannot be done as it was asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, f"Bad Request: {reason}")


class Conflict(Refusal):
    """Another call took this one's place."""

    def __init__(self, reason: str) -> None:
        super().__init__(409, f"Conflict: {reason}")
