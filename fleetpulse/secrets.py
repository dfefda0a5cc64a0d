"""What must not be shown: passwords and keys."""

from __future__ import annotations

from dataclasses import dataclass


class Secret:
    """A text that shows itself only when asked for by name."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def get_secret_value(self) -> str:
        """The text itself."""
        return self._text


@dataclass(frozen=True)
class AwsKeys:
    """An access key of AWS and its secret."""

    access_key: str
    secret: Secret
