"""The local chats: what was said, what the bot has yet to read, who is listening.

Messages are numbered across chats, as Telegram numbers those of private chats and groups. Every
method may be called from any thread. Raises StoreError when the disk refuses.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bot.simulator import LOCAL_CHAT_ID
from bot.simulator.documents import Document, callback_query, message_document
from bot.simulator.formatting import Formatted, cleaned, finished
from bot.simulator.messages import Draft, Message, Photo
from bot.simulator.refusal import BadRequest, SecondPoll
from bot.simulator.storage import Storage
from fleetpulse.clock import Clock, SystemClock

MAX_TEXT_CHARACTERS = 4096
LISTENING_MS = 10_000  # a bot that has not asked for this long is not listening
TYPING_MS = 5_000  # https://core.telegram.org/bots/api#sendchataction
UPDATES_KEPT_MS = 24 * 3600 * 1000  # https://core.telegram.org/bots/api#getting-updates
_KEPT_QUERIES = 100
_KEPT_NOTICES = 20


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What the bot answered to the press of a button."""

    version: int
    message_id: int
    chat_id: int
    text: str
    is_alert: bool


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed in the chat that has a page, since a version of it."""

    version: int
    messages: Sequence[Message]
    notices: Sequence[Notice]
    commands: Sequence[dict[str, str]]
    is_listening: bool
    is_typing: bool


class LocalChat:
    """A private chat between the owner of this machine and the bot, kept in a folder.

    chat_ids: of all chats, if there are to be others too; what is not said of a chat is said of
    that of the owner.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        *,
        chat_ids: Collection[int] = (LOCAL_CHAT_ID,),
    ) -> None:
        self.clock = clock or SystemClock()
        self._chat_ids = frozenset(chat_ids)
        self._storage = Storage(folder)
        self._changed = threading.Condition()
        self._is_closed = False
        self._turn = 0  # of the newest getUpdates
        self._waiting = 0  # calls of getUpdates under way
        self._listened_at = self.clock.now_ms()  # a bot that is just starting is not missed yet
        self._typing_until = 0
        self._notices: deque[Notice] = deque(maxlen=_KEPT_NOTICES)

    def close(self) -> None:
        """End every waiting call at once, and give the files back."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._storage.close()

    @property
    def chat_ids(self) -> Collection[int]:
        """Of the chats that the bot can write to."""
        return self._chat_ids

    def add_chat(self, chat_id: int) -> None:
        """From now on there is this chat too."""
        with self._changed:
            self._chat_ids |= {chat_id}

    def messages(self, *, after: int = 0, chat_id: int = LOCAL_CHAT_ID) -> list[Message]:
        """Messages with a greater id, oldest first."""
        with self._changed:
            return self._of(chat_id, self._storage.messages(after=after))

    def message(self, message_id: int, *, chat_id: int = LOCAL_CHAT_ID) -> Message | None:
        """One message, or None."""
        with self._changed:
            return self._message(message_id, chat_id)

    def _message(self, message_id: int, chat_id: int) -> Message | None:
        found = self._storage.message(message_id)
        return found if found is not None and found.chat_id == chat_id else None

    @staticmethod
    def _of(chat_id: int, messages: Sequence[Message]) -> list[Message]:
        return [message for message in messages if message.chat_id == chat_id]

    def document_of(self, message: Message) -> Document:
        """The message as the Bot API shows it, with the one it answers."""
        with self._changed:
            reply = self._storage.message(message.reply_to) if message.reply_to else None
            return message_document(message, reply)

    def feed(self, since_version: int) -> Feed:
        """What is new to somebody who has seen `since_version`; -1: everything, but no notices."""
        with self._changed:
            seen = self._version() if since_version < 0 else since_version
            return Feed(
                version=self._version(),
                messages=self._of(LOCAL_CHAT_ID, self._storage.messages(newer_than=since_version)),
                notices=[
                    notice
                    for notice in self._notices
                    if notice.version > seen and notice.chat_id == LOCAL_CHAT_ID
                ],
                commands=self.commands_shown(),
                is_listening=self._is_listening(),
                is_typing=self.clock.now_ms() < self._typing_until,
            )

    def _is_listening(self) -> bool:
        return self._waiting > 0 or self.clock.now_ms() - self._listened_at < LISTENING_MS

    # What the user does

    def say(self, text: str, *, chat_id: int = LOCAL_CHAT_ID) -> Message:
        """The user's message; the bot gets an update. Raises BadRequest."""
        content = finished(Formatted(cleaned(text)))
        check_text(content)
        with self._change():
            message = self._add(Draft(sender="user", chat_id=chat_id, content=content))
            self._tell("message", message_document(message))
        return message

    def press(
        self, message_id: int, callback_data: str, *, chat_id: int = LOCAL_CHAT_ID
    ) -> Message:
        """The user presses a button; the bot gets an update. Raises BadRequest."""
        with self._change():
            message = self._message(message_id, chat_id)
            if message is None or message.button_with(callback_data) is None:
                raise BadRequest("there is no such button under that message")
            query_id = self._new_query(message_id)
            self._tell(
                "callback_query",
                callback_query(query_id, chat_id, self.document_of(message), callback_data),
            )
        return message

    def _new_query(self, message_id: int) -> str:
        queries = self._storage.fact("queries") or []
        query_id = str(int(queries[-1][0]) + 1 if queries else 1)
        self._storage.put_fact("queries", [*queries, [query_id, message_id]][-_KEPT_QUERIES:])
        return query_id

    def _tell(self, kind: str, document: Document) -> None:
        allowed = self._storage.fact("allowed_updates")
        if not allowed or kind in allowed:
            self._storage.add_update(self.clock.now_ms(), {kind: document})

    # What the bot does

    def send(self, draft: Draft, picture: bytes | None = None) -> Message:
        """The bot's message, with its photo if it has one."""
        with self._change():
            if draft.photo and picture is not None:
                self._storage.put_photo(draft.photo, picture)
            message = self._add(draft)
            self._storage.drop_unused_photos()
            self._typing_until = 0
        return message

    def edit(
        self,
        message_id: int,
        change: Callable[[Message], Message],
        picture: bytes | None = None,
        *,
        chat_id: int = LOCAL_CHAT_ID,
    ) -> Message:
        """One of the bot's messages, changed. Raises BadRequest."""
        with self._change():
            message = self._message(message_id, chat_id)
            if message is None:
                raise BadRequest("message to edit not found")
            if message.sender != "bot":
                raise BadRequest("message can't be edited")
            changed = self._edited(message, change(message))
            if changed.photo and picture is not None:
                self._storage.put_photo(changed.photo, picture)
            self._storage.put_message(changed)
            self._storage.drop_unused_photos()
        return changed

    def _edited(self, before: Message, after: Message) -> Message:
        if after == before:
            raise BadRequest(
                "message is not modified: specified new message content and reply markup are"
                " exactly the same as a current content and reply markup of the message"
            )
        is_new = (after.content, after.photo) != (before.content, before.photo)
        return msgspec.structs.replace(
            after,
            version=self._next_version(),
            edited_at=self.clock.now_ms() if is_new else before.edited_at,
        )

    def answer(self, query_id: str, text: str, *, is_alert: bool) -> None:
        """Tell the user what the press of a button did. Raises BadRequest."""
        with self._change():
            queries = dict(self._storage.fact("queries") or [])
            if query_id not in queries:
                raise BadRequest(
                    "query is too old and response timeout expired or query ID is invalid"
                )
            message = self._storage.message(queries[query_id])
            notice = Notice(
                version=self._next_version(),
                message_id=queries[query_id],
                chat_id=LOCAL_CHAT_ID if message is None else message.chat_id,
                text=text,
                is_alert=is_alert,
            )
        self._notices.append(notice)

    def show_typing(self) -> None:
        """Show that the bot is at work, until it sends or five seconds have passed."""
        with self._changed:
            self._typing_until = self.clock.now_ms() + TYPING_MS

    def photo(self, photo_id: str) -> Photo | None:
        """A photo of the chat, or None."""
        with self._changed:
            return self._storage.photo(photo_id)

    def photo_path(self, photo: Photo) -> Path:
        """The file that holds a photo."""
        return self._storage.photo_path(photo)

    def set_commands(self, scope: str, commands: Sequence[dict[str, str]]) -> None:
        """Replace the command menu of a scope; none: forget it."""
        with self._change():
            menus = self._menus() | {scope: list(commands)}
            kept = {name: menu for name, menu in menus.items() if menu}
            self._storage.put_fact("commands", kept)

    def commands(self, scope: str) -> Sequence[dict[str, str]]:
        """The command menu that was set for exactly this scope."""
        with self._changed:
            return self._menus().get(scope, [])

    def commands_shown(self) -> Sequence[dict[str, str]]:
        """The command menu that the user sees: that of the narrowest scope."""
        with self._changed:
            menus = self._menus()
            scopes = ("chat", "all_private_chats", "default")
            return next((menus[scope] for scope in scopes if scope in menus), [])

    def _menus(self) -> dict[str, list[dict[str, str]]]:
        return self._storage.fact("commands") or {}

    # How the bot hears of it

    def updates(
        self,
        *,
        offset: int = 0,
        limit: int = 100,
        timeout_s: float = 0,
        allowed: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """The oldest updates that are not confirmed, waiting up to `timeout_s` for the first.

        offset: confirms every update below it; -n confirms all but the last n. A waiting call
        ends with SecondPoll when another one begins.
        """
        with self._changed:
            self._turn += 1
            with self._change():
                self._confirm(offset)
                if allowed is not None:
                    self._storage.put_fact("allowed_updates", list(allowed))
            self._waiting += 1
            try:
                return self._wait_for_updates(self._turn, limit, timeout_s)
            finally:
                self._waiting -= 1
                self._listened_at = self.clock.now_ms()

    def _wait_for_updates(self, turn: int, limit: int, timeout_s: float) -> list[dict[str, Any]]:
        deadline = time.monotonic() + timeout_s
        while not self._is_closed:
            if turn != self._turn:
                raise SecondPoll
            found = self._storage.updates(limit)
            left_s = deadline - time.monotonic()
            if found or left_s <= 0:
                return found
            self._changed.wait(left_s)
        return []

    def _confirm(self, offset: int) -> None:
        before = offset
        if offset < 0:
            kept = self._storage.update_ids()[offset:]
            before = kept[0] if kept else 0
        self._storage.drop_updates(before=before, older_than=self.clock.now_ms() - UPDATES_KEPT_MS)

    def drop_updates(self) -> None:
        """Forget every pending update."""
        with self._change():
            pending = self._storage.update_ids()
            self._storage.drop_updates(before=pending[-1] + 1 if pending else 0, older_than=0)

    def pending_updates(self) -> int:
        """How many updates the bot has not confirmed."""
        with self._changed:
            return len(self._storage.update_ids())

    def allowed_updates(self) -> Sequence[str]:
        """The kinds of updates that the bot last asked for; none: all."""
        with self._changed:
            return self._storage.fact("allowed_updates") or []

    @contextmanager
    def _change(self) -> Iterator[None]:
        """A change of the chat: kept whole or not at all, then told to whoever waits."""
        with self._changed:
            with self._storage.changes():
                yield
            self._changed.notify_all()

    def _add(self, draft: Draft) -> Message:
        if draft.reply_to is not None and self._message(draft.reply_to, draft.chat_id) is None:
            raise BadRequest("message to be replied not found")
        message = Message(
            message_id=self._storage.last_message_id() + 1,
            chat_id=draft.chat_id,
            sender=draft.sender,
            at=self.clock.now_ms(),
            content=draft.content,
            photo=draft.photo,
            keyboard=draft.keyboard,
            reply_to=draft.reply_to,
            version=self._next_version(),
        )
        self._storage.put_message(message)
        return message

    def _version(self) -> int:
        return int(self._storage.fact("version") or 0)

    def _next_version(self) -> int:
        version = self._version() + 1
        self._storage.put_fact("version", version)
        return version


def check_text(content: Formatted) -> None:
    """Raises BadRequest for a text that is no message: empty, or too long."""
    if not content.text:
        raise BadRequest("message text is empty")
    if len(content.text) > MAX_TEXT_CHARACTERS:
        raise BadRequest("message is too long")
