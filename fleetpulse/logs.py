"""Log lines: an event in a few words and its fields, one line each, for people or for a collector.

Modules log by `logging.getLogger(__name__)`, with a constant message and values in `extra`. It is
the standard library's logging alone: structlog with what it imports would take a sixth of the
memory that an agent may have.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from fleetpulse.secrets import Secret
from fleetpulse.settings import DataSettings

# They tell of each request, or what they have loaded: nothing for those who run fleetpulse.
TALKATIVE = (
    "alembic",
    "boto3",
    "botocore",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "urllib3",
)
SECRET_CHARACTERS = 6  # a shorter text, such as a user's name, is found in too many places
HIDDEN = "<secret>"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_BARE = re.compile(r"[^\s\"'=]+")  # a value that needs no quotes
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_NO_COLOUR = "\x1b[0m"


def configure(process: str, settings: DataSettings, *, secrets: Iterable[str] = ()) -> None:
    """Log to stderr from here on, as the settings say; what was configured before is replaced.

    secrets: more texts that must never be shown; those of the settings never are, wherever they
    turn up, tracebacks included.
    """
    hidden = hidden_texts([*secrets_of(settings), *secrets])
    formatter: logging.Formatter = (
        JsonLines(process, hidden)
        if settings.log_format == "json"
        else TextLines(hidden, coloured=sys.stderr.isatty())
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def secrets_of(settings: DataSettings) -> list[str]:
    """Every secret of a process' settings, and the passwords within addresses."""
    fields = (getattr(settings, field.name) for field in dataclasses.fields(settings))
    texts = [field.get_secret_value() for field in fields if isinstance(field, Secret)]
    return texts + [password for text in texts if (password := _password(text))]


def _password(address: str) -> str | None:
    try:
        return urlsplit(address).password
    except ValueError:  # not an address
        return None


def hidden_texts(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """What finds these secrets in a line, as they are and as JSON and addresses write them."""
    forms = {
        form
        for secret in secrets
        if len(secret) >= SECRET_CHARACTERS
        for form in (secret, json.dumps(secret)[1:-1], quote(secret), quote(secret, safe=""))
    }
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if forms else None


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """What a log call gave as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class Lines(logging.Formatter):
    """A line per record, without what must not be shown."""

    def __init__(self, hidden: re.Pattern[str] | None) -> None:
        super().__init__()
        self._hidden = hidden

    def format(self, record: logging.LogRecord) -> str:
        line = self.line(record)
        return line if self._hidden is None else self._hidden.sub(HIDDEN, line)

    def line(self, record: logging.LogRecord) -> str:
        """The record in words."""
        raise NotImplementedError

    def traceback(self, record: logging.LogRecord) -> str:
        """The traceback of the error that it was logged with, if any."""
        if record.exc_info:
            return self.formatException(record.exc_info)
        return record.exc_text or ""


class TextLines(Lines):
    """For people: time, level, logger, event, fields; a traceback is indented below."""

    def __init__(self, hidden: re.Pattern[str] | None, *, coloured: bool = False) -> None:
        super().__init__(hidden)
        self._coloured = coloured

    def line(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone()
        colour = _COLOURS.get(record.levelname, "") if self._coloured else ""
        level = f"{colour}{record.levelname:<8}{_NO_COLOUR if colour else ''}"
        words = f"{record.name}: {_one_line(record.getMessage())}"
        fields = "".join(f" {name}={_value(value)}" for name, value in fields_of(record).items())
        line = f"{at:%Y-%m-%d %H:%M:%S} {level} {words}{fields}"
        below = self.traceback(record).splitlines()
        return "\n".join([line, *(f"    {each}" for each in below)])


class JsonLines(Lines):
    """For a log collector: a JSON object a line, its fields at the top level."""

    def __init__(self, process: str, hidden: re.Pattern[str] | None) -> None:
        super().__init__(hidden)
        self._process = process

    def line(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "event": record.getMessage(),
        }
        for name, value in fields_of(record).items():
            line[f"{name}_" if name in line else name] = _finite(value)
        exception = self.traceback(record)
        if exception:
            line["exception"] = exception
        return json.dumps(line, default=_text)


def _value(value: object) -> str:
    """A field's value: bare when it is one word, else in quotes, always in one line."""
    text = f"{value:g}" if isinstance(value, float) else _text(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _finite(value: object) -> object:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")
