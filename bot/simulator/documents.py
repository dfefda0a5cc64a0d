"""The chat in the shapes that the Bot API documents: User, Chat, Message, CallbackQuery, …

https://core.telegram.org/bots/api#available-types
"""

from __future__ import annotations

from typing import Any

import msgspec

from bot.simulator import LOCAL_BOT_ID, LOCAL_BOT_USERNAME, LOCAL_CHAT_ID
from bot.simulator.messages import Message, Photo

Document = dict[str, Any]

USER: Document = {
    "id": LOCAL_CHAT_ID,
    "is_bot": False,
    "first_name": "You",
    "username": "you",
    "language_code": "en",
}
CHAT: Document = {"id": LOCAL_CHAT_ID, "type": "private", "first_name": "You", "username": "you"}
BOT: Document = {
    "id": LOCAL_BOT_ID,
    "is_bot": True,
    "first_name": "fleetpulse",
    "username": LOCAL_BOT_USERNAME,
}
BOT_ABILITIES: Document = {
    "can_join_groups": False,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
    "can_connect_to_business": False,
    "has_main_web_app": False,
}
_FULL_CHAT: Document = {
    "accent_color_id": 0,
    "max_reaction_count": 11,
    "accepted_gift_types": {
        "unlimited_gifts": False,
        "limited_gifts": False,
        "unique_gifts": False,
        "premium_subscription": False,
        "gifts_from_channels": False,
    },
}
_FIRST_SUPERGROUP = -1_000_000_000_000  # theirs are below: -100 and ten digits or more


def chat_document(chat_id: int) -> Document:
    """A Chat object: a person for a positive id, a group or supergroup for a negative one."""
    if chat_id == LOCAL_CHAT_ID:
        return CHAT
    if chat_id > 0:
        return {"id": chat_id, "type": "private", "first_name": f"Person {chat_id}"}
    kind = "supergroup" if is_supergroup(chat_id) else "group"
    return {"id": chat_id, "type": kind, "title": f"Group {-chat_id}"}


def is_supergroup(chat_id: int) -> bool:
    """Whether this is the id of a group that has grown up."""
    return chat_id <= _FIRST_SUPERGROUP


def full_chat_document(chat_id: int) -> Document:
    """A ChatFullInfo object."""
    return chat_document(chat_id) | _FULL_CHAT


def user_document(chat_id: int) -> Document:
    """A User object: whoever writes in this chat; in groups it is "You"."""
    if chat_id < 0 or chat_id == LOCAL_CHAT_ID:
        return USER
    return {"id": chat_id, "is_bot": False, "first_name": f"Person {chat_id}"}


def message_document(message: Message, reply: Message | None = None) -> Document:
    """A Message object; `reply` is the message that it answers."""
    document: Document = {
        "message_id": message.message_id,
        "from": BOT if message.sender == "bot" else user_document(message.chat_id),
        "chat": chat_document(message.chat_id),
        "date": message.at // 1000,
    }
    if message.edited_at is not None:
        document["edit_date"] = message.edited_at // 1000
    if reply is not None:
        document["reply_to_message"] = message_document(reply)
    document |= _content(message)
    if message.keyboard:
        document["reply_markup"] = {"inline_keyboard": msgspec.to_builtins(message.keyboard)}
    return document


def _content(message: Message) -> Document:
    text, entities = ("caption", "caption_entities") if message.photo else ("text", "entities")
    document: Document = {}
    if message.photo:
        document["photo"] = [photo_size(message.photo)]
    if message.text:
        document[text] = message.text
    if message.entities:
        document[entities] = msgspec.to_builtins(message.entities)
    return document


def photo_size(photo: Photo) -> Document:
    """A PhotoSize object."""
    return _file(photo) | {"width": photo.width, "height": photo.height}


def file_document(photo: Photo) -> Document:
    """A File object, with the path to load it from."""
    return _file(photo) | {"file_path": f"photos/{photo.file_name}"}


def _file(photo: Photo) -> Document:
    return {
        "file_id": photo.photo_id,
        "file_unique_id": photo.photo_id[:16],
        "file_size": photo.size_bytes,
    }


def callback_query(query_id: str, chat_id: int, message: Document, data: str) -> Document:
    """A CallbackQuery object: the user of a chat has pressed a button."""
    return {
        "id": query_id,
        "from": user_document(chat_id),
        "message": message,
        "chat_instance": str(chat_id),
        "data": data,
    }
