"""`python -m generators pc|raspberry|simulated|replay`: the same as `fleetpulse agent`."""

from __future__ import annotations

import argparse
import importlib
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpulse import kafka, logs, wire
from fleetpulse.clock import Clock, SystemClock
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.health import Health
from fleetpulse.lifetime import on_stop_signal
from fleetpulse.settings import AgentSettings, load
from generators.agent import Agent, Source, host_name
from generators.observed import Observed
from generators.publish import Publisher
from generators.spool import Spool
from generators.supervisor import Supervisor, status_of
from generators.topics import prepared
from generators.upload import Poster, Uploader

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

log = logging.getLogger("generators")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A word of the command line, and the module that is imported when it is said."""

    name: str
    help: str
    device: str | None = None  # the value of DEVICE that picks it
    own_options: bool = False  # the module has an `add_arguments(parser)`
    point: EntryPoint | None = None  # of another package's source

    @property
    def module(self) -> str:
        """Where our own source is made."""
        return f"generators.{self.name}"


KINDS: tuple[Kind, ...] = (
    Kind(name="pc", help="measure this PC", device="PC"),
    Kind(name="raspberry", help="measure this Raspberry Pi", device="RASPBERRY"),
    Kind(name="simulated", help="simulate a machine", own_options=True),
    Kind(name="replay", help="publish recorded readings", own_options=True),
)


KIND = {kind.name: kind for kind in KINDS}
# Words that are no agent: they make one a service of this machine, or look after it.
SERVICE_WORDS = ("install", "uninstall", "status")


def kinds() -> Mapping[str, Kind]:
    """Our agents, and those of other packages. Raises SettingsError."""
    # Only here: looking for packages takes 2 MB, and few agents are of others.
    from fleetpulse.extensions import Extending, extensions

    others = {
        name: Kind(name=name, help=f"the source of {point.value}", point=point)
        for name, point in extensions(Extending.SOURCES).items()
    }
    return others | KIND


def main(argv: Sequence[str] | None = None) -> int:
    """Run one agent until it is told to stop; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except SettingsError as problem:
        sys.stderr.write(f"fleetpulse agent: {problem}\n")
        return 2
    except FleetpulseError as problem:
        sys.stderr.write(f"fleetpulse agent: {problem}\n")
        return 1


def _run(words: list[str]) -> int:
    if words and words[0] in SERVICE_WORDS:
        from generators import service  # late: a running agent has no use for it

        return service.main(words)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = [_picked_by_device(), *words]
    known = KIND if words[0] in KIND else kinds()
    if words[0] not in {*known, "-h", "--help"}:
        raise SettingsError(
            f"There is no {words[0]!r}; say {', '.join(known)}, or {', '.join(SERVICE_WORDS)}."
        )
    arguments = _parser(known, known.get(words[0])).parse_args(words)
    kind: Kind = arguments.agent
    given = {name: getattr(arguments, name, None) for name in ("data", "topic", "device_id")}
    settings = load(AgentSettings, interval_s=getattr(arguments, "interval", None), **given)
    logs.configure("agent", settings)
    if kind.point is not None:
        run_agent(_source_of(kind.point, settings), settings, settings.device_id or host_name())
        return 0
    module = importlib.import_module(kind.module)
    if kind.name == "replay":
        return int(module.main(arguments, settings))
    source: Source = module.source_from(arguments if kind.own_options else settings)
    default_id = f"simulated-{source.kind}" if kind.own_options else host_name()
    run_agent(source, settings, settings.device_id or default_id)
    return 0


def _source_of(point: EntryPoint, settings: AgentSettings) -> Source:
    """The source of another package. Raises SettingsError."""
    from fleetpulse.extensions import loaded  # late, as above

    make: Callable[[AgentSettings], Source] = loaded(point)
    return make(settings)


def _picked_by_device() -> str:
    device = load(AgentSettings).device
    for kind in KINDS:
        if device is not None and kind.device == device:
            return kind.name
    names = ", ".join(kinds())
    raise SettingsError(f"Say which agent to run ({names}), or set DEVICE to PC or RASPBERRY.")


def _parser(known: Mapping[str, Kind], chosen: Kind | None) -> argparse.ArgumentParser:
    """The command line; only the chosen agent's module is imported to ask for its options."""
    parser = argparse.ArgumentParser(
        prog="fleetpulse agent",
        description="Publish the readings of one machine to Kafka, through a spool on the disk.",
        epilog="Without an agent, DEVICE=PC or DEVICE=RASPBERRY picks one. `fleetpulse agent"
        " install | status | uninstall` makes the agent a service of this machine.",
    )
    agents = parser.add_subparsers(metavar="AGENT", required=True)
    for kind in known.values():
        # A module may define an option anew.
        agent = agents.add_parser(
            kind.name, help=kind.help, description=kind.help, conflict_handler="resolve"
        )
        agent.add_argument(
            "--data", type=Path, help="folder of the spool and of the embedded broker's address"
        )
        agent.set_defaults(agent=kind)
        agent.add_argument("--topic", help="topic to publish to (telemetry.<kind>)")
        if kind.name != "replay":
            agent.add_argument("--interval", type=float, help="seconds between readings (5)")
            agent.add_argument("--device-id", help="name of the device (this host's name)")
        if kind is chosen and kind.own_options:
            importlib.import_module(kind.module).add_arguments(agent)
    return parser


def run_agent(source: Source, settings: AgentSettings, device_id: str) -> None:
    """Deliver the source's readings until SIGTERM or SIGINT. Raises FleetpulseError at start."""
    topic = settings.topic or f"telemetry.{source.kind}"
    _check_names(device_id, topic)
    clock = SystemClock()
    spool = Spool(settings.data / "spool" / device_id, settings.spool_bytes, clock)
    for sentence in spool.damage:
        log.warning("the spool was damaged", extra={"damage": sentence})
    publisher = _publisher(settings, spool, topic, device_id, clock)
    log.info(
        "the agent starts",
        extra={
            "device": device_id,
            "kind": source.kind,
            "topic": topic,
            "interval_s": settings.interval_s,
            "waiting": spool.depth,
            "dropped": spool.dropped,
        },
    )
    stop, supervisor = threading.Event(), Supervisor()
    on_stop_signal(stop.set)
    supervisor.started(settings.interval_s)
    try:
        with _observed(settings, spool, publisher) as observed:
            Agent(
                source,
                spool,
                publisher,
                device_id=device_id,
                interval_s=settings.interval_s,
                clock=clock,
                observed=observed,
                alive=lambda: supervisor.alive(
                    status_of(spool.depth, spool.dropped, publisher.trouble)
                ),
            ).run(stop)
    finally:
        spool.close()


def _publisher(
    settings: AgentSettings, spool: Spool, topic: str, device_id: str, clock: Clock
) -> Publisher | Uploader:
    """Delivery to the API if one is set, else to Kafka. Raises SettingsError."""
    if settings.api is None or settings.ingest_key is None:
        return Publisher(
            spool,
            topic=topic,
            device_id=device_id,
            configure=lambda: kafka.client_config(settings),
            clock=clock,
            header=prepared(settings, topic),
        )
    post = Poster(settings.api, settings.ingest_key.get_secret_value())
    return Uploader(spool, api=settings.api, post=post, clock=clock)


@contextmanager
def _observed(
    settings: AgentSettings, spool: Spool, publisher: Publisher | Uploader
) -> Iterator[Observed]:
    """What /healthz, /readyz and /metrics tell of these, answered as long as the block runs."""
    health, clock = Health(), SystemClock()
    if settings.ops_port is None:
        yield Observed(spool, publisher, clock=clock, health=health)
        return
    # Only here: the metrics' library takes 4 MB, and few agents are scraped.
    from fleetpulse.metrics import AgentMetrics, new_registry
    from fleetpulse.ops import ops_server

    registry = new_registry("agent", health)
    metrics = AgentMetrics(registry)
    with ops_server(settings.ops_host, settings.ops_port, health, registry):
        yield Observed(spool, publisher, clock=clock, health=health, metrics=metrics)


def _check_names(device_id: str, topic: str) -> None:
    if not wire.is_identifier(device_id):
        raise SettingsError(
            "FLEETPULSE_DEVICE_ID (--device-id): must be 1 to 64 of A-Z a-z 0-9 . _ -"
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic):
        raise SettingsError("TOPIC_NAME (--topic): must be 1 to 249 of A-Z a-z 0-9 . _ -")


if __name__ == "__main__":
    sys.exit(main())
