"""deploy/ as processes: a reading goes from the simulated agent to the API, and all is watched.

Without Docker: the servers come from packages, ours get the environment that compose.yaml and their
images give them, with loopback addresses in place of the names of Compose's network.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.integration.processes import running, until
from tests.services.dynamodb import DynamoDBLocal
from tests.services.kafka import Kafka, started
from tests.services.missing import Unavailable, without
from tests.services.ports import free_ports
from tests.services.s3 import KEYS, S3
from tests.services.server import Server
from tests.unit import test_house_images as images
from tests.unit.deploy.composition import (
    FOLDER,
    SETTINGS,
    environment,
    folder_of,
    given_by,
    read,
    scraped,
    services,
)

pytestmark = pytest.mark.integration
OURS = [name for name in SETTINGS if name != "first-start"]


def tool(name: str, package: str) -> str:
    """A program of Debian's packages."""
    found = shutil.which(name)
    if found is None:
        without(name, how=f"install it (Debian: apt install {package})")
    return found


def said(*words: str | Path) -> str:
    """What a program says that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_finds_nothing_wrong_with_the_configuration() -> None:
    config = FOLDER / "prometheus/prometheus.yaml"

    # The key is written by the first start.
    said(tool("promtool", "prometheus"), "check", "config", "--syntax-only", config)
    said(tool("promtool", "prometheus"), "check", "rules", FOLDER / "prometheus/rules.yaml")


def test_rules_fire_when_they_should_and_only_then() -> None:
    rules_test = FOLDER / "prometheus/rules_test.yaml"

    assert "SUCCESS" in said(tool("promtool", "prometheus"), "test", "rules", rules_test)


def test_amtool_finds_nothing_wrong_with_the_configuration() -> None:
    config = FOLDER / "alertmanager/alertmanager.yaml"

    assert "SUCCESS" in said(tool("amtool", "prometheus-alertmanager"), "check-config", config)


class Watcher(Server):
    """Prometheus or Alertmanager, with this configuration."""

    def __init__(self, folder: Path, port: int, words: Sequence[str | Path]) -> None:
        super().__init__(folder)
        self.name, self.port, self._words = Path(words[0]).name, port, words

    def ask(self, path: str) -> Any:
        """What it answers, of JSON."""
        return asked(f"http://127.0.0.1:{self.port}{path}")

    def _command(self) -> Sequence[str | Path]:
        return [*self._words, f"--web.listen-address=127.0.0.1:{self.port}"]

    def _answers(self) -> bool:
        url = f"http://127.0.0.1:{self.port}/-/ready"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
        return False


def asked(url: str, key: str | None = None) -> Any:
    """What is answered there, of JSON; None while nothing is."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return json.load(answer)
    except OSError:
        return None


class Composition:
    """The services of compose.yaml, as processes of this machine."""

    def __init__(self, folder: Path, kafka: Kafka, dynamodb: DynamoDBLocal, s3: S3) -> None:
        self.folder = folder
        names = [host for _, host, _ in scraped() if host != "127.0.0.1"]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.loopback = {
            "kafka:9092": kafka.bootstrap_servers,
            "http://dynamodb:8000": dynamodb.endpoint,
            "http://s3:8080": s3.endpoint,
        }
        env_file = folder / ".env"
        # The server of the tests has keys of its own; the script keeps what is there.
        keys = (KEYS.access_key, KEYS.secret.get_secret_value())
        env_file.write_text("AWS_ACCESS_KEY={}\nAWS_SECRET_ACCESS_KEY={}\n".format(*keys))
        subprocess.run(
            [FOLDER / "write_env.sh", env_file],
            check=True,
            env={
                "PATH": "/usr/bin:/bin",
                "TELEGRAM_TOKEN": "1:nobody",
                "FLEETPULSE_TELEGRAM_API": "http://127.0.0.1:9",
                "FLEETPULSE_NOTIFY": "nobody=json://127.0.0.1:9",
            },
        )
        self._given = given_by(env_file)

    def told(self, service: str) -> dict[str, str]:
        """What a process is told, of this machine."""
        found = images.environment(folder_of(service)) | environment(service, self._given)
        for name in images.NOT_OURS:
            found.pop(name, None)
        for there, here in self.loopback.items():
            found = {name: value.replace(there, here) for name, value in found.items()}
        for name in found.keys() & {"FLEETPULSE_HOST", "FLEETPULSE_OPS_HOST"}:
            found[name] = "127.0.0.1"
        for name in found.keys() & {"FLEETPULSE_PORT", "FLEETPULSE_OPS_PORT"}:
            found[name] = str(self.ports.get(service, 0) or 8000)
        return found | {"FLEETPULSE_DATA": str(self.data(service))}

    def data(self, service: str) -> Path:
        """The data folder of a process."""
        folder = self.folder / service
        folder.mkdir(exist_ok=True)
        return folder

    def started(self, service: str) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
        """A process of ours, as its image starts it."""
        module = folder_of(service).replace("/", ".")
        words = services()[service].get("command") or image_command(service)
        told = self.told(service)
        return running([module, *words], Path(told.pop("FLEETPULSE_DATA")), **told)

    def first_start(self) -> None:
        """Make what is made once. Twice: the second changes nothing."""
        for _ in range(2):
            told = self.told("first-start")
            script = FOLDER / "first_start.py"
            subprocess.run([sys.executable, script], check=True, env=path_of_tests() | told)

    def config(self, path: str) -> Path:
        """A configuration of deploy/, of this machine."""
        text = (FOLDER / path).read_text()
        text = text.replace("/run/keys", str(self.data("first-start")))
        text = text.replace("rules.yaml", str(FOLDER / "prometheus/rules.yaml"))
        for _, host, port in scraped():
            if host != "127.0.0.1":
                text = text.replace(f"{host}:{port}", f"127.0.0.1:{self.ports[host]}")
        document = YAML(typ="safe", pure=True).load(text)
        for job in document.get("scrape_configs", ()):
            job["scrape_interval"] = "1s"
            for each in job.pop("dns_sd_configs", ()):
                targets = [f"127.0.0.1:{self.ports[name]}" for name in each["names"]]
                job["static_configs"].append({"targets": targets})
        target = self.folder / Path(path).name
        with target.open("w") as file:
            YAML(typ="safe", pure=True).dump(document, file)
        return target

    def url(self, service: str, path: str) -> str:
        """An address of a process."""
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def readings(self) -> list[dict[str, Any]]:
        """What the API has of the simulated machine."""
        key = (self.data("first-start") / "prometheus.key").read_text()
        answer = asked(self.url("api", "/api/v1/devices/simulated-raspberry/readings"), key)
        return [] if answer is None else list(answer["items"])


def image_command(service: str) -> list[str]:
    """The words that an image starts its process with."""
    last = images.stages(folder_of(service))[-1]
    return [word for each in last if each.word == "CMD" for word in json.loads(each.rest)]


def path_of_tests() -> dict[str, str]:
    """Where Python and what it imports are found."""
    folder = str(Path(sys.executable).parent)
    return {"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Kafka]:
    """A broker whose topics are of this test only: the consumer reads all of them."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    yield from started(folder)


@pytest.fixture
def composition(
    tmp_path: Path, own_kafka: Kafka, dynamodb: DynamoDBLocal, s3: S3
) -> Iterator[Composition]:
    """All of it but Prometheus and Alertmanager, running."""
    composition = Composition(tmp_path, own_kafka, dynamodb, s3)
    composition.first_start()
    with contextlib.ExitStack() as stack:
        for service in OURS:
            stack.enter_context(composition.started(service))
        yield composition
    dynamodb.drop("fleetpulse")


@pytest.fixture
def alertmanager(composition: Composition) -> Iterator[Watcher]:
    """Alertmanager as compose.yaml starts it."""
    folder, port = composition.data("alertmanager"), composition.ports["alertmanager"]
    words = options("alertmanager", {"/alertmanager": folder / "data"}, FOLDER / "alertmanager")
    program = tool("prometheus-alertmanager", "prometheus-alertmanager")
    with up(Watcher(folder, port, [program, *words])) as watcher:
        yield watcher


@pytest.fixture
def prometheus(composition: Composition) -> Iterator[Watcher]:
    """Prometheus as compose.yaml starts it."""
    folder, (port,) = composition.data("prometheus"), free_ports(1)
    composition.ports["prometheus"] = port
    config = composition.config("prometheus/prometheus.yaml")
    config.write_text(config.read_text().replace("127.0.0.1:9090", f"127.0.0.1:{port}"))
    words = options("prometheus", {"/prometheus": folder / "data"}, config.parent)
    with up(Watcher(folder, port, [tool("prometheus", "prometheus"), *words])) as watcher:
        yield watcher


def options(service: str, volumes: dict[str, Path], config: Path) -> list[str]:
    """The words of a command of compose.yaml, with folders of this machine."""
    words = []
    for word in read("compose.yaml")["services"][service]["command"]:
        name, _, value = word.partition("=")
        value = value.replace(f"/etc/{service}", str(config))
        words.append(f"{name}={volumes.get(value, value)}")
    return words


@contextlib.contextmanager
def up(watcher: Watcher) -> Iterator[Watcher]:
    """Running, for a fixture."""
    try:
        watcher.start()
    except Unavailable as problem:
        without(f"{watcher.name} ({problem})", how="look at what it says")
    with watcher:
        yield watcher


def test_a_reading_reaches_the_api_scored_by_a_model_of_the_bucket_and_all_is_watched(
    composition: Composition, s3: S3, alertmanager: Watcher, prometheus: Watcher
) -> None:
    until(composition.readings)
    until(lambda: asked(composition.url("consumer", "/readyz")))

    assert composition.readings()[0]["model_version"]
    assert (s3.objects / "fleetpulse-models/models/current.json").exists()
    assert asked(composition.url("api", "/api/v1/devices")) is None  # without a key

    def targets() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = prometheus.ask("/api/v1/targets")["data"]["activeTargets"]
        return found

    until(lambda: {target["health"] for target in targets()} == {"up"})
    assert len(targets()) == len(list(scraped()))
    until(lambda: prometheus.ask("/api/v1/alertmanagers")["data"]["activeAlertmanagers"])
    assert alertmanager.ask("/api/v2/status")["config"]["original"]
