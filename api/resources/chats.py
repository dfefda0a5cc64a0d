"""/chats: where people are told, whose each chat is, and what it wants to hear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource
from werkzeug.exceptions import NotFound

from api import pages, query
from api.bodies import body_as
from api.callers import caller
from api.documented import WRITTEN, documented, page_model, with_models
from api.fields import MaybeNested, flag, moment, words
from api.parts import now_ms, store
from fleetpulse.alerts import Severity
from fleetpulse.channel_tests import PREFIX, ChannelTest, ask_for, channel_tests, name_of
from fleetpulse.pairing import forget
from fleetpulse.people import People, Preferences, QuietHours
from fleetpulse.stores.protocols import Chat

NAMED = {"target": words("The chat", "telegram:12345")}
CHANNEL_TEST = Model(
    "ChannelTest",
    {
        "asked_at": moment("When somebody wanted to see it work"),
        "asked_by": words("Who, in words", "Ada"),
        "answered_at": moment("When that was known; null: not yet", nullable=True),
        "problem": words(
            "Why the channel took no message; null: it took one, or nothing is known yet",
            "the mail server does not answer",
            nullable=True,
        ),
    },
)
CHAT = Model(
    "Chat",
    {
        **NAMED,
        "title": words("What it is called", "Ada"),
        "person": words(
            "Whose it is; null: it is listed in the settings, and an owner's of everything",
            "Ada",
            nullable=True,
        ),
        "active": flag("Whether it is told; false: it has blocked the bot, or was removed", True),
        "hears": words("What it wants to hear, in short", "everything, from warning on"),
        "test": MaybeNested(
            CHANNEL_TEST,
            required=True,
            description="The last test of a channel of fleetpulse notify; null: there was none",
        ),
    },
)
CHAT_NAMED = Model("ChatNamed", NAMED)
CHAT_PAGE = page_model(CHAT)

chats = with_models(
    Namespace("chats", "Where people are told", path="/api/v1/chats"),
    CHANNEL_TEST,
    CHAT,
    CHAT_NAMED,
    CHAT_PAGE,
)

PARAMETERS = (query.LIMIT, query.CURSOR)


class Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a DELETE."""

    target: str


@chats.route("")
class Chats(Resource):
    """The chats."""

    @documented(chats, CHAT_PAGE, "A page of chats", parameters=PARAMETERS)
    def get(self) -> Response:
        """Every chat that is told, or is somebody's"""
        asked = query.asked(*PARAMETERS)
        preferences = People(store().documents).preferences.all()
        tests = channel_tests(store()).all()
        return pages.named_page(
            known_chats(preferences),
            asked["limit"],
            asked["cursor"],
            listed="chats",
            view=lambda target, chat: chat_view(
                chat,
                preferences.get(target, Preferences()),
                tests.get(target.removeprefix(PREFIX)) if target.startswith(PREFIX) else None,
            ),
        )

    @documented(
        chats,
        CHAT_NAMED,
        "Told and answered no more",
        problems=WRITTEN | {400: "The body names no chat", 404: "There is no such chat"},
    )
    @chats.expect(CHAT_NAMED)
    def delete(self) -> Response:
        """Tell and answer a chat no more

        One that is listed in the settings comes back when somebody writes there, or at the bot's
        next start.
        """
        query.asked()
        target = body_as(Named, "the name of a chat").target
        if not forget(store(), target):
            raise NotFound(f"There is no chat called {target[:64]!r}; /api/v1/chats lists them.")
        return pages.answer({"target": target})


@chats.route("/<string:target>/test")
@chats.doc(params={"target": {"in": "path", "description": "The channel: notify:mail"}})
class Tests(Resource):
    """The tests of a channel."""

    @documented(
        chats,
        CHANNEL_TEST,
        "Asked for, or under way",
        problems=WRITTEN
        | {
            400: "It is a chat of the bot: write /test there",
            404: "There is no such channel, or it is told nothing now",
        },
    )
    def post(self, target: str) -> Response:
        """Try a channel of fleetpulse notify

        The notifier sends an example through it, usually within two seconds; what came of it is the
        chat's `test`. What it has not seen within a minute is not sent.
        """
        query.asked()
        name_of(target)
        chat = store().chats.get(target)
        if chat is None or not chat.active:
            raise NotFound(f"There is no channel called {target[:64]!r} that is told now.")
        asked = ask_for(store(), target, asked_by=caller().said_as, now_ms=now_ms())
        return pages.answer(msgspec.to_builtins(asked))


def known_chats(preferences: Mapping[str, Preferences]) -> dict[str, Chat]:
    """The chats that are told, and those that are somebody's though they are told nothing now."""
    found = {chat.chat_id: chat for chat in store().chats.active()}
    for target, wanted in preferences.items():
        chat = store().chats.get(target) if wanted.person and target not in found else None
        if chat is not None:
            found[target] = chat
    return found


def chat_view(chat: Chat, wanted: Preferences, test: ChannelTest | None) -> dict[str, Any]:
    """A chat as the API shows it."""
    return {
        "target": chat.chat_id,
        "title": chat.title,
        "person": wanted.person or None,
        "active": chat.active,
        "hears": heard(wanted),
        "test": None if test is None else msgspec.to_builtins(test),
    }


def heard(wanted: Preferences) -> str:
    """What a chat wants to hear, in short."""
    if not wanted.hears:
        return "nothing"
    parts = [", ".join(wanted.only) or "everything"]
    if wanted.but_not:
        parts.append("but not " + ", ".join(wanted.but_not))
    if wanted.severity is not Severity.INFO:
        parts.append(f"from {wanted.severity} on")
    if wanted.quiet is not None:
        parts.append(_quiet_words(wanted.quiet))
    return "; ".join(parts)


def _quiet_words(quiet: QuietHours) -> str:
    begins, ends = (f"{each // 60:02}:{each % 60:02}" for each in (quiet.begins, quiet.ends))
    return f"quiet from {begins} to {ends} ({quiet.zone})"
