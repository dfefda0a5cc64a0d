"""`fleetpulse chats`: whose each chat is, and how it becomes somebody's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fleetpulse.cli.tables import table
from fleetpulse.cli.with_store import run
from fleetpulse.clock import SystemClock
from fleetpulse.pairing import CODE_MS, drop_old_codes, forget, make_code, wanted_person
from fleetpulse.people import People, Person, Preferences, Role
from fleetpulse.stores.protocols import Store

_COLUMNS = ("chat", "title", "person", "role", "devices", "hears")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the first word says; the exit code."""
    return run(_parser(), argv)


def pair(store: Store, options: argparse.Namespace) -> int:
    """Make a code and show it. Raises InvalidWish for names that are none."""
    now_ms = SystemClock().now_ms()
    person = wanted_person(store, options.person, role=options.role, owns=options.owns)
    before = People(store.documents).people.get(person.name)
    drop_old_codes(store, now_ms)
    code = make_code(store, person, now_ms=now_ms)
    sys.stdout.write(f"{code}\n")
    if before is not None and person != before:
        sys.stderr.write(f"{person.name} was {_what(before)}, and is now {_what(person)}.\n")
    sys.stderr.write(
        f"Send this to the bot within {CODE_MS // 60_000} minutes, in the chat that is to be"
        f" {person.name}'s. It works once.\n"
    )
    return 0


def _what(person: Person) -> str:
    """What somebody is, in words."""
    return f"{person.role} of {' '.join(person.owns) or 'every device'}"


def list_chats(store: Store, _: argparse.Namespace) -> int:
    """Show the chats that are told, and whose they are."""
    people = People(store.documents)
    known, preferences = people.people.all(), people.preferences.all()
    rows = []
    for chat in store.chats.active():
        wanted = preferences.get(chat.chat_id, Preferences())
        person = known.get(wanted.person)
        rows.append(
            (
                chat.chat_id,
                chat.title or "-",
                wanted.person or "(listed in the settings)",
                "gone"
                if wanted.person and person is None
                else (person.role if person else "owner"),
                " ".join(person.owns) if person and person.owns else "all",
                "yes" if wanted.hears else "no",
            )
        )
    sys.stdout.write(table([_COLUMNS, *rows]))
    return 0


def remove(store: Store, options: argparse.Namespace) -> int:
    """Tell and answer a chat no more."""
    chat = store.chats.get(options.chat)
    wanted = People(store.documents).preferences.get(options.chat) or Preferences()
    if forget(store, options.chat):
        sys.stdout.write(f"{options.chat} is told nothing any more.\n")
        if chat is not None and chat.active and not wanted.person:
            sys.stdout.write(
                "It is listed in the settings: it comes back when somebody writes there, or at the"
                " next start. Take it out of them too.\n"
            )
        return 0
    sys.stderr.write(
        f"fleetpulse chats: {options.chat} is not known; `fleetpulse chats list` shows them.\n"
    )
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleetpulse chats", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("pair", help="show a code that makes a chat somebody's")
    one.set_defaults(act=pair)
    one.add_argument("person", metavar="NAME", help="whose chat it will be")
    one.add_argument(
        "--role",
        type=Role,
        choices=list(Role),
        metavar="ROLE",
        help="owner (may acknowledge, snooze, change limits) or viewer (default: as before, or"
        " owner)",
    )
    one.add_argument(
        "--owns",
        nargs="+",
        metavar="DEVICE",
        help="devices, patterns like 'lab-*', or groups like @lab; '*' is all (default: as before,"
        " or all)",
    )

    one = commands.add_parser("list", help="show the chats and whose they are")
    one.set_defaults(act=list_chats)

    one = commands.add_parser("remove", help="tell and answer a chat no more")
    one.set_defaults(act=remove)
    one.add_argument("chat", metavar="CHAT", help="as the list names it, telegram:12345")
    return parser


if __name__ == "__main__":
    sys.exit(main())
