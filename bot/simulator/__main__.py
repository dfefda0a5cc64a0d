"""`python -m bot.simulator`: the local Bot API alone, with as many chats as a trial needs."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from bot.simulator import LOCAL_CHAT_ID
from bot.simulator.app import create_bot_api
from bot.simulator.chat import LocalChat
from bot.simulator.server import Server
from fleetpulse.errors import StartError
from fleetpulse.lifetime import on_stop_signal


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code."""
    arguments = _parser().parse_args(argv)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a call is too many
    stop = threading.Event()
    on_stop_signal(stop.set)
    try:
        with ExitStack() as opened:
            folder = arguments.data or Path(opened.enter_context(tempfile.TemporaryDirectory()))
            chat = opened.enter_context(closing(LocalChat(folder, chat_ids=arguments.chats)))
            server = opened.enter_context(Server(create_bot_api(chat), arguments.port))
            sys.stdout.write(f"{server.root}\n")
            sys.stdout.flush()
            stop.wait()
    except StartError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot.simulator",
        description="A Bot API on this machine, without a chat page; PUT /troubles has it"
        " misbehave.",
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one, printed")
    parser.add_argument("--data", type=Path, help="folder for what is kept (default: nothing is)")
    parser.add_argument(
        "--chats",
        type=_ids,
        default=[LOCAL_CHAT_ID],
        help="ids with commas between: people's are positive, groups' negative (1)",
    )
    return parser


def _ids(written: str) -> list[int]:
    return [int(each) for each in written.split(",")]


if __name__ == "__main__":
    sys.exit(main())
