"""The methods of the Bot API that the local server knows: one function and one row each.

https://core.telegram.org/bots/api#available-methods
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from bot.simulator import LOCAL_CHAT_ID
from bot.simulator.chat import LocalChat, check_text
from bot.simulator.documents import (
    BOT,
    BOT_ABILITIES,
    Document,
    file_document,
    full_chat_document,
)
from bot.simulator.formatting import Formatted
from bot.simulator.messages import Draft, Keyboard, Message, Photo, photo_of
from bot.simulator.parameters import Parameters
from bot.simulator.refusal import BadRequest

Method = Callable[[LocalChat, Parameters], Any]

MAX_CAPTION_CHARACTERS = 1024
MAX_ANSWER_CHARACTERS = 200
MAX_COMMANDS = 100
LONGEST_POLL_S = 50
_CHAT_ACTION = re.compile(
    "typing|(upload|record)_(photo|video|voice|document|video_note)|choose_sticker|find_location"
)
_COMMAND = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)


def get_me(chat: LocalChat, parameters: Parameters) -> Document:
    """The bot."""
    return BOT | BOT_ABILITIES


def get_chat(chat: LocalChat, parameters: Parameters) -> Document:
    """One chat."""
    return full_chat_document(parameters.chat_id(chat.chat_ids))


def get_updates(chat: LocalChat, parameters: Parameters) -> list[Document]:
    """What the user has done that the bot has not confirmed."""
    allowed = parameters.document("allowed_updates", "allowed updates")
    if allowed is not None and not isinstance(allowed, list):
        raise BadRequest("can't parse allowed updates: expected an Array of String")
    return chat.updates(
        offset=parameters.integer("offset"),
        limit=min(max(parameters.integer("limit", 100), 1), 100),
        timeout_s=min(max(parameters.integer("timeout"), 0), LONGEST_POLL_S),
        allowed=allowed,
    )


def send_message(chat: LocalChat, parameters: Parameters) -> Document:
    """A text from the bot."""
    content = parameters.formatted("text", "entities")
    chat_id = parameters.chat_id(chat.chat_ids)
    check_text(content)
    return _sent(chat, parameters, Draft(sender="bot", chat_id=chat_id, content=content))


def send_photo(chat: LocalChat, parameters: Parameters) -> Document:
    """A photo from the bot, with a caption if it wants one."""
    caption = _caption(parameters)
    chat_id = parameters.chat_id(chat.chat_ids)
    photo, picture = _photo(chat, parameters.upload("photo"), parameters.text("photo"))
    draft = Draft(sender="bot", chat_id=chat_id, content=caption, photo=photo)
    return _sent(chat, parameters, draft, picture)


def _sent(
    chat: LocalChat, parameters: Parameters, draft: Draft, picture: bytes | None = None
) -> Document:
    reply_to = parameters.reply_to()
    if (
        reply_to
        and parameters.may_lose_reply()
        and chat.message(reply_to, chat_id=draft.chat_id) is None
    ):
        reply_to = None
    ready = replace(draft, keyboard=parameters.keyboard(), reply_to=reply_to)
    return chat.document_of(chat.send(ready, picture))


def _caption(parameters: Parameters) -> Formatted:
    caption = parameters.formatted("caption", "caption_entities")
    if len(caption.text) > MAX_CAPTION_CHARACTERS:
        raise BadRequest("message caption is too long")
    return caption


def _photo(chat: LocalChat, picture: bytes | None, address: str) -> tuple[Photo, bytes | None]:
    """A photo that was uploaded with the call, or one of the chat's by its file_id."""
    if picture is not None:
        return photo_of(picture), picture
    if not address:
        raise BadRequest("there is no photo in the request")
    if "://" in address:  # the local server never reaches out
        raise BadRequest("failed to get HTTP URL content")
    known = chat.photo(address)
    if known is None:
        raise BadRequest("wrong remote file identifier specified: the chat has no such photo")
    return known, None


def edit_message_text(chat: LocalChat, parameters: Parameters) -> Document:
    """A text of the bot, replaced; its buttons go unless they are given again."""
    content = parameters.formatted("text", "entities")
    check_text(content)

    def change(message: Message, keyboard: Keyboard) -> Message:
        if message.photo:
            raise BadRequest("there is no text in the message to edit")
        return replace(message, content=content, keyboard=keyboard)

    return _edited(chat, parameters, change)


def edit_message_caption(chat: LocalChat, parameters: Parameters) -> Document:
    """A caption of the bot, replaced; none takes it away."""
    caption = _caption(parameters)

    def change(message: Message, keyboard: Keyboard) -> Message:
        if not message.photo:
            raise BadRequest("there is no caption in the message to edit")
        return replace(message, content=caption, keyboard=keyboard)

    return _edited(chat, parameters, change)


def edit_message_reply_markup(chat: LocalChat, parameters: Parameters) -> Document:
    """The buttons under a message, replaced; none takes them away."""
    return _edited(chat, parameters, lambda message, keyboard: replace(message, keyboard=keyboard))


def edit_message_media(chat: LocalChat, parameters: Parameters) -> Document:
    """The photo of a message, replaced together with its caption."""
    media = parameters.document("media", "media")
    if not isinstance(media, dict) or media.get("type") != "photo":
        raise BadRequest("the local server edits photos only: media must be an InputMediaPhoto")
    address = str(media.get("media", ""))
    photo, picture = _photo(chat, parameters.attached(address), address)
    caption = _caption(_inner(media))

    def change(message: Message, keyboard: Keyboard) -> Message:
        return replace(message, content=caption, photo=photo, keyboard=keyboard)

    return _edited(chat, parameters, change, picture)


def _inner(media: Mapping[str, Any]) -> Parameters:
    """The caption of a media object, which is written like that of a message."""
    names = ("caption", "parse_mode")
    return Parameters({name: str(media[name]) for name in names if media.get(name)})


def _edited(
    chat: LocalChat,
    parameters: Parameters,
    change: Callable[[Message, Keyboard], Message],
    picture: bytes | None = None,
) -> Document:
    if not parameters.text("message_id"):
        raise BadRequest("message identifier is not specified")
    chat_id = parameters.chat_id(chat.chat_ids)
    keyboard = parameters.keyboard()
    changed = chat.edit(
        parameters.integer("message_id"),
        lambda message: change(message, keyboard),
        picture,
        chat_id=chat_id,
    )
    return chat.document_of(changed)


def get_file(chat: LocalChat, parameters: Parameters) -> Document:
    """Where to load a photo from."""
    photo = chat.photo(parameters.text("file_id"))
    if photo is None:
        raise BadRequest("invalid file_id")
    return file_document(photo)


def send_chat_action(chat: LocalChat, parameters: Parameters) -> bool:
    """The page shows that the bot is at work."""
    chat_id = parameters.chat_id(chat.chat_ids)
    if not _CHAT_ACTION.fullmatch(parameters.text("action")):
        raise BadRequest("wrong parameter action in request")
    if chat_id == LOCAL_CHAT_ID:
        chat.show_typing()
    return True


def answer_callback_query(chat: LocalChat, parameters: Parameters) -> bool:
    """The page shows what the press of a button did."""
    text = parameters.text("text")
    if len(text) > MAX_ANSWER_CHARACTERS:
        raise BadRequest("MESSAGE_TOO_LONG")
    query_id = parameters.text("callback_query_id")
    chat.answer(query_id, text, is_alert=parameters.flag("show_alert"))
    return True


def set_my_commands(chat: LocalChat, parameters: Parameters) -> bool:
    """The page's command menu."""
    documents = parameters.document("commands", "commands")
    if not isinstance(documents, list):
        raise BadRequest("can't parse commands: expected an Array of BotCommand")
    if len(documents) > MAX_COMMANDS:
        raise BadRequest("BOT_COMMANDS_TOO_MUCH")
    chat.set_commands(_scope(chat, parameters), [_command(document) for document in documents])
    return True


def _command(document: Any) -> dict[str, str]:
    if not isinstance(document, dict):
        raise BadRequest("can't parse BotCommand: expected an Object")
    name = str(document.get("command", "")).removeprefix("/")
    description = str(document.get("description", "")).strip()
    if not _COMMAND.fullmatch(name):
        raise BadRequest("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= 256:
        raise BadRequest("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description}


def _scope(chat: LocalChat, parameters: Parameters) -> str:
    """The scope of a menu; menus for one language are kept and never shown: the page is English."""
    scope = parameters.document("scope", "bot command scope") or {"type": "default"}
    kind = str(scope.get("type", "")) if isinstance(scope, dict) else ""
    language = parameters.text("language_code")
    if kind in ("chat", "chat_member"):
        chat_id = Parameters({"chat_id": str(scope.get("chat_id", ""))}).chat_id(chat.chat_ids)
        kind = kind if chat_id == LOCAL_CHAT_ID else f"{kind} {chat_id}"
    return f"{kind}:{language}" if language else kind


def get_my_commands(chat: LocalChat, parameters: Parameters) -> list[dict[str, str]]:
    """The command menu of a scope."""
    return list(chat.commands(_scope(chat, parameters)))


def delete_my_commands(chat: LocalChat, parameters: Parameters) -> bool:
    """Forget the command menu of a scope."""
    chat.set_commands(_scope(chat, parameters), [])
    return True


def set_webhook(chat: LocalChat, parameters: Parameters) -> bool:
    """Refused: there is nobody to call. Without an address it deletes, as Telegram's does."""
    if parameters.text("url"):
        raise BadRequest("bad webhook: the local server has none, use getUpdates")
    return delete_webhook(chat, parameters)


def delete_webhook(chat: LocalChat, parameters: Parameters) -> bool:
    """There is never one; what is pending is forgotten if that is asked."""
    if parameters.flag("drop_pending_updates"):
        chat.drop_updates()
    return True


def get_webhook_info(chat: LocalChat, parameters: Parameters) -> Document:
    """That there is none, and how much is pending."""
    document: Document = {
        "url": "",
        "has_custom_certificate": False,
        "pending_update_count": chat.pending_updates(),
    }
    allowed = chat.allowed_updates()
    return document | ({"allowed_updates": list(allowed)} if allowed else {})


METHODS: Mapping[str, Method] = {
    "getMe": get_me,
    "getChat": get_chat,
    "getUpdates": get_updates,
    "sendMessage": send_message,
    "sendPhoto": send_photo,
    "editMessageText": edit_message_text,
    "editMessageCaption": edit_message_caption,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "editMessageMedia": edit_message_media,
    "getFile": get_file,
    "sendChatAction": send_chat_action,
    "answerCallbackQuery": answer_callback_query,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
}
_NAMES = {name.lower(): name for name in METHODS}


def method_name(written: str) -> str | None:
    """The name of a method as it is documented, whatever its case, or None: there is none."""
    return _NAMES.get(written.lower())
