"""The table of what people may ask, and what comes of a line of text.

The help text, Telegram's own menu and the dispatch are made from the table. Nothing here knows
Telegram; errors that people can cause become answers in one place, `answer`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from bot import alert_commands, chat_commands, device_commands
from bot.asked import Asked, WrongWords
from bot.naming import UnknownName, nearest, suggestion, unknown_device
from fleetpulse.delivery.messages import BUTTON_BYTES, Button, Post
from fleetpulse.delivery.short_names import fitted, resolved
from fleetpulse.errors import (
    InvalidRule,
    InvalidWish,
    StoreError,
    UnknownAlert,
    UnknownDevice,
    UnknownRule,
)
from fleetpulse.stores.documents import DocumentStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: its words, what it is for, and its answer."""

    name: str
    parameters: str = ""
    help: str
    reply: Callable[[Asked], Post]
    is_for_owners: bool = False  # it changes what others see
    is_typed: bool = True  # False: only buttons say it

    @property
    def usage(self) -> str:
        """How to write it."""
        return f"/{self.name} {self.parameters}".strip()


def command_of(text: str) -> Command | None:
    """The command that a line begins with, or None."""
    name = (text.split() or [""])[0]
    return _BY_NAME.get(name.removeprefix("/").partition("@")[0].lower())


def answer(asked: Asked, text: str) -> Post:
    """The answer to a line of text; it has one, whatever the line is.

    asked: who asks, without the words.
    """
    try:
        return _pressable(_answer(asked, text), asked.store.documents)
    except StoreError as problem:
        log.warning("no answer", extra={"line": text[:64], "problem": str(problem)})
        return Post("I cannot reach the store just now. Please try again in a minute.")


def _pressable(post: Post, documents: DocumentStore) -> Post:
    """The post with the buttons that fit: a line of many words may not, and is typed again."""
    post = fitted(post, documents)
    fitting = [each for each in post.buttons if len(each.command.encode()) <= BUTTON_BYTES]
    return replace(post, buttons=tuple(fitting))


def _answer(asked: Asked, text: str) -> Post:
    command = command_of(text)
    name, *words = text.split() or [""]
    if command is None:
        return _unknown_command(name, words)
    if command.is_for_owners and not asked.may_change:
        return Post("You may look, and choose what this chat hears; this is for owners.")
    words = [resolved(word, asked.store.documents) for word in words]
    try:
        return _reply(command, replace(asked, words=words))
    except UnknownName as unknown:
        return suggestion(unknown, " ".join([f"/{command.name}", *words]))


def _reply(command: Command, asked: Asked) -> Post:
    """The answer to the words. Raises UnknownName."""
    try:
        return command.reply(asked)
    except WrongWords:
        return Post(f"Usage: {escape(command.usage)}")
    except UnknownDevice as problem:
        raise unknown_device(asked, problem.device_id) from None
    except UnknownRule as problem:
        raise UnknownName(problem.rule, str(problem), problem.known) from None
    except (UnknownAlert, InvalidRule, InvalidWish) as problem:
        return Post(escape(str(problem)))


def _unknown_command(name: str, words: Sequence[str]) -> Post:
    typed = name.removeprefix("/").partition("@")[0]
    near = [f"/{each}" for each in nearest(typed, (command.name for command in MENU))]
    meant = f" Do you mean {' or '.join(near)}?" if near else ""
    return Post(
        f"I do not know {escape(name[:64])!r}.{meant} Send /help to see what I know.",
        tuple(Button(each, " ".join([each, *words])) for each in near),
    )


def start(_asked: Asked) -> Post:
    """A welcome, and what can be asked."""
    return Post(
        "Hello! I watch your devices and tell you here <b>before</b> one gets into trouble,"
        f" and why. You need do nothing; or ask:\n\n{_command_list()}"
    )


def show_help(_asked: Asked) -> Post:
    """Every command with its words."""
    return Post(f"{_command_list()}\n\nExample: /limit pi-attic heat 75")


def pair(_asked: Asked) -> Post:
    """How to get a code; a word that is one never comes here."""
    return Post(
        "Send me the code that <code>fleetpulse chats pair</code> or the dashboard shows, such as"
        " /pair K6UU-X88H: this chat is then that person's. A code works once, for 10 minutes."
    )


COMMANDS: tuple[Command, ...] = (
    Command(name="start", help="what I do, and tell me here", reply=start),
    Command(name="help", help="what you can ask", reply=show_help),
    Command(name="devices", help="the fleet, worst first", reply=device_commands.devices),
    Command(
        name="status",
        parameters="<device>",
        help="newest readings of a device, and what is expected",
        reply=device_commands.status,
    ),
    Command(
        name="chart",
        parameters="<device> [channel] [1h|24h|7d]",
        help="a picture of what was measured, and of the risk",
        reply=device_commands.chart,
    ),
    Command(name="alerts", help="what is going on, and what is over", reply=alert_commands.alerts),
    Command(
        name="ack",
        parameters="[device|all]",
        help="say that you have seen it: it is not told again",
        reply=alert_commands.ack,
        is_for_owners=True,
    ),
    Command(
        name="snooze",
        parameters="[device|@group|all] [30m|2h|3d|off]",
        help="no word of it for a while",
        reply=alert_commands.snooze,
        is_for_owners=True,
    ),
    Command(
        name="quiet",
        parameters="[22:00-07:00] [time zone] [critical|warning|nothing] | off",
        help="when to tell only what is urgent",
        reply=chat_commands.quiet,
    ),
    Command(
        name="limit",
        parameters="<device> <rule> <value|on|off>",
        help="change when a device counts as stressed",
        reply=device_commands.limit,
        is_for_owners=True,
    ),
    Command(
        name="subscribe",
        parameters="[all|device|@group|kind|rule|severity|repeat=1h]",
        help="what this chat is told of",
        reply=chat_commands.subscribe,
    ),
    Command(
        name="unsubscribe",
        parameters="[device|@group|kind|rule]",
        help="what this chat is not told of",
        reply=chat_commands.unsubscribe,
    ),
    Command(
        name="pair",
        parameters="<code>",
        help="make this chat the one of whom the code is for",
        reply=pair,
    ),
    Command(name="model", help="how often my warnings were right", reply=alert_commands.model),
    Command(name="test", help="see what a warning looks like here", reply=alert_commands.test),
    Command(
        name="right",
        parameters="<alert>",
        help="say that a warning was right",
        reply=alert_commands.right,
        is_for_owners=True,
        is_typed=False,
    ),
    Command(
        name="false",
        parameters="<alert>",
        help="say that a warning was a false alarm",
        reply=alert_commands.false,
        is_for_owners=True,
        is_typed=False,
    ),
)
_BY_NAME: Mapping[str, Command] = {command.name: command for command in COMMANDS}
MENU: tuple[Command, ...] = tuple(command for command in COMMANDS if command.is_typed)


def _command_list() -> str:
    return "\n".join(f"{escape(command.usage)} - {command.help}" for command in MENU)
