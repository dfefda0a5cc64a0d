"""Own sources, stages and actions: the examples of docs/extending.md, as they stand there."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client import REGISTRY

from consumer.batch import Batch
from consumer.stages.extensions import extension_stages, unharmed
from fleetpulse.actions.channels import channels_of
from fleetpulse.alerts import State
from fleetpulse.clock import ManualClock
from fleetpulse.delivery.messages import alert_post
from fleetpulse.errors import NotifyError, SettingsError
from fleetpulse.extensions import Extending, extensions
from fleetpulse.health import Health
from fleetpulse.secrets import Secret
from fleetpulse.settings import AgentSettings, NotifySettings, load
from generators import __main__ as agent
from generators.agent import Source, reading_of
from tests.contracts.builders import an_event
from tests.unit.consumer.builders import NOON, a_reading, decode

PAGE = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
POINTS = dict(re.findall(r'\[project\.entry-points\."([\w.]+)"\]\n(.*?)\n', PAGE))
MOST_LINES = 30

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts packages beside fleetpulse: (group, name, module with its text, what it is called)."""
    installed: list[EntryPoint] = []
    monkeypatch.setattr(
        "fleetpulse.extensions.entry_points",
        lambda group: EntryPoints(each for each in installed if each.group == group),
    )

    def put(group: Extending, name: str, text: str, attribute: str, module: str = "mine") -> None:
        made = ModuleType(module)
        exec(compile(text, module, "exec"), made.__dict__)  # noqa: S102 - our own page
        monkeypatch.setitem(sys.modules, module, made)
        installed.append(EntryPoint(name=name, group=group, value=f"{module}:{attribute}"))

    before = set(REGISTRY._collector_to_names)
    yield put
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)


def drawing(*power_w: float) -> Batch:
    """A machine's readings of its power, W."""
    return decode(*(a_reading(place, power_w=value) for place, value in enumerate(power_w)))


def called(group: Extending) -> tuple[str, str]:
    """The name and the attribute that the page gives an example."""
    name, value = POINTS[group].split(" = ")
    return name, value.strip('"').rpartition(":")[2]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_short(example: str) -> None:
    assert len(EXAMPLES[example].splitlines()) <= MOST_LINES


def test_a_source_of_another_package_is_an_agent(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, attribute = called(Extending.SOURCES)
    install(Extending.SOURCES, name, EXAMPLES["source"], attribute)
    (tmp_path / "greenhouse.txt").write_text("31.5 80")
    ran: list[Source] = []
    monkeypatch.setattr(agent, "run_agent", lambda source, _settings, _name: ran.append(source))
    monkeypatch.setattr("fleetpulse.logs.configure", lambda *_: None)

    assert agent.main([name, "--data", str(tmp_path), "--interval", "2"]) == 0

    reading = reading_of(ran[0], "bed-1", 1, NOON)
    assert (reading.kind, reading.temperature_c, reading.load_pct) == ("greenhouse", 31.5, 80.0)
    assert reading.power_w is None


def test_a_stage_of_another_package_sees_every_batch(install: Install) -> None:
    name, attribute = called(Extending.STAGES)
    install(Extending.STAGES, name, EXAMPLES["stage"], attribute)
    batch = drawing(100.0, 400.0)

    (stage,) = extension_stages(Health()).values()
    after = stage(batch)

    assert after is batch
    counted = REGISTRY.get_sample_value(
        "lab_over_budget_readings_total", {"device": batch.device_ids[1]}
    )
    assert counted == 1


def test_an_action_of_another_package_is_a_channel(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, attribute = called(Extending.ACTIONS)
    install(Extending.ACTIONS, name, EXAMPLES["action"], attribute)
    rang: list[tuple[object, bytes]] = []

    class Connection(AbstractContextManager["Connection"]):
        def __exit__(self, *_: object) -> None:
            return None

        def sendall(self, content: bytes) -> None:
            rang.append((asked[-1], content))

    asked: list[object] = []

    def connect(address: object, timeout: float) -> Connection:
        asked.append(address)
        return Connection()

    monkeypatch.setattr("socket.create_connection", connect)
    settings = NotifySettings(channels=Secret(f"door={name}://kitchen"))

    (channel,) = channels_of(settings, ManualClock()).values()
    channel.send(alert_post(an_event(State.STRESSED), None, NOON))

    assert rang == [(("kitchen", 7007), b"2")]


def test_an_action_that_does_not_answer_says_so(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, attribute = called(Extending.ACTIONS)
    install(Extending.ACTIONS, name, EXAMPLES["action"], attribute)

    def refused(address: object, timeout: float) -> None:
        raise ConnectionRefusedError("nobody is there")

    monkeypatch.setattr("socket.create_connection", refused)
    settings = NotifySettings(channels=Secret(f"door={name}://kitchen"))
    (channel,) = channels_of(settings, ManualClock()).values()

    with pytest.raises(NotifyError, match="the bell does not answer"):
        channel.send(alert_post(an_event(), None, NOON))


def test_a_stage_that_fails_costs_itself_and_nothing_else() -> None:
    health, batch = Health(), drawing(1.0)
    failing = [True]

    def stage(given: Batch) -> Batch:
        if failing:
            raise ZeroDivisionError("a fault of theirs")
        return given

    guarded = unharmed("theirs", stage, health)

    assert guarded(batch) is batch
    assert "theirs fails: ZeroDivisionError" in health.problems()["extension theirs"]
    failing.clear()
    guarded(batch)
    assert health.problems() == {}


def test_a_stage_that_loses_readings_is_not_followed() -> None:
    batch = drawing(1.0, 2.0)

    after = unharmed("theirs", lambda _: drawing(1.0), Health())(batch)

    assert after is batch


def test_of_two_packages_with_one_name_none_is_taken(install: Install) -> None:
    install(Extending.STAGES, "mine", "make = list", "make", module="first")
    install(Extending.STAGES, "mine", "make = list", "make", module="second")

    with pytest.raises(SettingsError, match=r"first:make and second:make.*uninstall one"):
        extensions(Extending.STAGES)


def test_a_package_that_cannot_be_imported_is_named(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(Extending.SOURCES, "broken", "", "absent")

    assert agent.main(["broken"]) == 2

    assert "The extension broken (mine:absent) cannot be loaded" in capsys.readouterr().err


def test_a_name_of_ours_stays_ours(install: Install) -> None:
    install(Extending.SOURCES, "pc", "make = list", "make")

    assert agent.kinds()["pc"].point is None


def test_without_other_packages_there_are_our_agents_only() -> None:
    assert list(agent.kinds()) == list(agent.KIND)
    assert load(AgentSettings).device is None
