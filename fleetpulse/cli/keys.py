"""`fleetpulse keys`: who may ask the API. A key's text is shown once, when it is made."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from fleetpulse.address import API_FILE, running_address
from fleetpulse.cli.tables import table
from fleetpulse.clock import SystemClock
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.keys import LINK_MS, Purpose, end, in_force, make_key, purpose_of
from fleetpulse.settings import ApiSettings, load
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import ApiKey, KeyStore, Scope
from fleetpulse.web_guard import is_every_address

_LENGTH = re.compile(r"([1-9][0-9]{0,5})([mhdw])", re.ASCII)
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 24 * 3_600_000, "w": 7 * 24 * 3_600_000}
_COLUMNS = ("key", "what", "name", "scopes", "device", "made", "ends", "state")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the first word says; the exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        settings = load(ApiSettings)
        store = open_store(settings.store_url, aws=settings.aws, retention=settings.retention)
        try:
            return int(options.act(store.keys, options, settings))
        finally:
            store.close()
    except ValueError as problem:
        parser.error(str(problem))
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse keys: {problem}\n")
        return 2 if isinstance(problem, SettingsError) else 1


def create(keys: KeyStore, options: argparse.Namespace, _: ApiSettings) -> int:
    """Make a key and show it."""
    now_ms = SystemClock().now_ms()
    key, text = make_key(
        options.name,
        options.scope,
        now_ms=now_ms,
        device_id=options.device,
        expires_at=None if options.expires is None else now_ms + options.expires,
    )
    keys.put(key)
    sys.stdout.write(f"{text}\n")
    sys.stderr.write(f"This is shown once. `fleetpulse keys revoke {key.key_id}` ends it.\n")
    return 0


def list_keys(keys: KeyStore, options: argparse.Namespace, _: ApiSettings) -> int:
    """Show the keys in force, or all that ever were."""
    now_ms = SystemClock().now_ms()
    shown = [key for key in keys.all() if options.all or in_force(key, now_ms)]
    sys.stdout.write(table([_COLUMNS, *(row_of(key, now_ms) for key in shown)]))
    return 0


def revoke(keys: KeyStore, options: argparse.Namespace, _: ApiSettings) -> int:
    """End a key or a link, and with it the sessions that were opened with it."""
    ended = end(keys, options.key_id, SystemClock().now_ms())
    if ended:
        sys.stdout.write("".join(f"{key_id} opens nothing any more.\n" for key_id in ended))
        return 0
    known = keys.get(options.key_id) is not None
    problem = "was revoked before" if known else "is no key; `fleetpulse keys list` shows them"
    sys.stderr.write(f"fleetpulse keys: {options.key_id} {problem}.\n")
    return 1


def link(keys: KeyStore, options: argparse.Namespace, settings: ApiSettings) -> int:
    """Make a link that opens the dashboard in one browser."""
    now_ms = SystemClock().now_ms()
    key, text = make_key(
        options.name,
        options.scope or [Scope.ACT],
        now_ms=now_ms,
        device_id=options.device,
        expires_at=now_ms + LINK_MS,
        purpose=Purpose.LINK,
    )
    keys.put(key)
    address = options.address or running_address(settings.data / API_FILE) or address_of(settings)
    sys.stdout.write(f"{address}/login?code={text}\n")
    sys.stderr.write(f"It works once, within {LINK_MS // 60_000} minutes.\n")
    return 0


def address_of(settings: ApiSettings) -> str:
    """Where a browser finds the API, as far as the settings tell."""
    names = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    host = "127.0.0.1" if is_every_address(settings.host) else settings.host
    host = names[0] if names else host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def length_ms(text: str) -> int:
    """A length of time such as 30d, in milliseconds. Raises ArgumentTypeError."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("must be a number with m, h, d or w: 12h, 30d, 52w")
    return int(found[1]) * _UNIT_MS[found[2]]


def row_of(key: ApiKey, now_ms: int) -> tuple[str, ...]:
    """A key as a row of the list."""
    ended = "expired" if key.revoked_at is None else "revoked"
    return (
        key.key_id,
        purpose_of(key).name.lower(),
        key.name,
        ",".join(key.scopes),
        key.device_id or "-",
        minute_of(key.created_at),
        "never" if key.expires_at is None else minute_of(key.expires_at),
        "in force" if in_force(key, now_ms) else ended,
    )


def minute_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleetpulse keys", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("create", help="make a key and show it, once")
    one.set_defaults(act=create)
    one.add_argument("name", metavar="NAME", help="to recognise it by")
    _add_rights(one, required=True)
    one.add_argument("--expires", type=length_ms, metavar="30d", help="ends after this time")

    one = commands.add_parser("list", help="show the keys in force; never their secrets")
    one.set_defaults(act=list_keys)
    one.add_argument("--all", action="store_true", help="expired and revoked ones too")

    one = commands.add_parser("revoke", help="end a key or a link, and the sessions opened with it")
    one.set_defaults(act=revoke)
    one.add_argument("key_id", metavar="KEY_ID")

    one = commands.add_parser("link", help="make a link that opens the dashboard once")
    one.set_defaults(act=link)
    one.add_argument("--name", default="link", help="to recognise its session by")
    _add_rights(one, required=False)
    one.add_argument(
        "--address",
        metavar="URL",
        help="where browsers find the API (the running `fleetpulse up`, or what the settings say)",
    )
    return parser


def _add_rights(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--scope",
        action="append",
        type=Scope,
        choices=list(Scope),
        required=required,
        metavar="SCOPE",
        help="read; act: read, and change rules; admin: everything; ingest: send readings of"
        " --device. May be given several times",
    )
    parser.add_argument("--device", metavar="ID", help="the only device that it is for")


if __name__ == "__main__":
    sys.exit(main())
