"""The compose file names only what there is: images, settings, ports, volumes, files."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from fleetpulse.secrets import Secret
from fleetpulse.settings import load, variables
from fleetpulse.stores.dynamodb_client import Address
from tests.unit import test_house_images as images
from tests.unit.deploy.composition import (
    FOLDER,
    ROOT,
    SETTINGS,
    VARIABLE,
    environment,
    filled,
    folder_of,
    given_by,
    read,
    scraped,
    services,
)

LONG_RUNNING = [name for name in SETTINGS if name != "first-start"]
HARMLESS = {"FLEETPULSE_STORE"}  # its address has no password in it
each_of_ours = pytest.mark.parametrize("service", SETTINGS)
each = pytest.mark.parametrize("service", services())


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """What the script writes where nothing is."""
    target = tmp_path / ".env"
    write(target)
    return target


def write(target: Path, **given: str) -> None:
    """Run the script."""
    subprocess.run(
        [FOLDER / "write_env.sh", target],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin"} | given,
    )


def secret(service: str) -> set[str]:
    """The settings of a process that are secret."""
    hints = get_type_hints(SETTINGS[service])
    return {
        variable.name
        for field, variable in variables(SETTINGS[service])
        if Secret in get_args(hints[field])
    }


def test_it_is_what_the_schema_of_compose_says() -> None:
    words = ["--builtin-schema", "vendor.compose-spec", str(FOLDER / "compose.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *words], capture_output=True, check=False
    )

    assert done.returncode == 0, done.stdout.decode()


@each
def test_an_image_is_pinned_or_built_here(service: str) -> None:
    said = services()[service]

    if service in SETTINGS:
        assert "/" not in said["image"]
        assert said["build"]["context"] == ".."
        assert (ROOT / said["build"]["dockerfile"]).exists()
        assert said["image"] == f"fleetpulse-{images.EXTRAS[folder_of(service)]}"
    else:
        assert re.fullmatch(r"[a-z]+/[a-z0-9-]+:v?\d+\.\d+\.\d+", said["image"])


@pytest.mark.parametrize(
    ("service", "coordinates"),
    [("kafka", "kafka.JARS"), ("dynamodb", "dynamodb.JARS"), ("s3", "s3.JARS")],
)
def test_a_server_is_of_the_version_that_tests_run_on(service: str, coordinates: str) -> None:
    module = (ROOT / f"tests/services/{coordinates.partition('.')[0]}.py").read_text()
    version = services()[service]["image"].partition(":")[2]

    assert f':{version}"' in module


@each
def test_ports_are_published_on_loopback_only(service: str) -> None:
    for port in services()[service].get("ports", ()):
        host, published, inner = port.split(":")
        assert host == "127.0.0.1"
        assert published == inner
        assert f"| {published} |" in (ROOT / "docs/deploy.md").read_text()


def test_the_port_of_the_api_is_the_one_of_its_image() -> None:
    assert services()["api"]["ports"] == [f"127.0.0.1:8000:{images.the('api', 'EXPOSE')}"]


@each
def test_nobody_has_more_rights_than_it_needs(service: str) -> None:
    said = services()[service]

    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in said
    assert not {"privileged", "network_mode", "pid"} & said.keys()
    # Its folder is of mode 0700 and of the user 1000, and a new volume is root's.
    assert said.get("cap_add") == (["DAC_OVERRIDE"] if service == "dynamodb" else None)
    if service in SETTINGS:
        assert said["read_only"] is True
        assert said["tmpfs"] == ["/tmp"]  # noqa: S108


@each_of_ours
def test_a_process_reads_every_variable_that_it_is_given(service: str) -> None:
    known = {variable.name for _, variable in variables(SETTINGS[service])}

    assert services()[service]["environment"].keys() <= known


@each_of_ours
def test_a_secret_comes_from_the_env_file(service: str) -> None:
    written = services()[service]["environment"]

    for name in written.keys() & secret(service) - HARMLESS:
        assert VARIABLE.fullmatch(written[name]), name


@each_of_ours
def test_a_process_starts_with_what_it_is_given(
    service: str, env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = images.environment(folder_of(service)) | environment(service, given_by(env_file))
    for name, value in told.items():
        monkeypatch.setenv(name, value)

    settings = load(SETTINGS[service])

    store = getattr(settings, "store_url", None)
    if store is not None:
        assert Address.of(store).endpoint == "http://dynamodb:8000"


def test_every_variable_is_in_the_example_and_every_line_of_it_is_used() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    asked = {found[1] for found in VARIABLE.finditer(text)} | {"COMPOSE_PROFILES"}

    assert set(given_by(FOLDER / ".env.example")) == asked


def test_the_example_holds_no_secret() -> None:
    assert not any(given_by(FOLDER / ".env.example").values())


def test_what_compose_insists_on_is_generated_and_differs_each_time(
    env_file: Path, tmp_path: Path
) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    required = {found[1] for found in VARIABLE.finditer(text) if found[2] == "?"}
    write(tmp_path / "another")
    one, other = given_by(env_file), given_by(tmp_path / "another")

    assert one.pop("COMPOSE_PROFILES") == "simulated"
    assert required == {name for name, value in one.items() if value}
    assert not {one[name] for name in required} & {other[name] for name in required}
    assert all(len(one[name]) == 48 for name in required)


def test_without_the_env_file_nothing_starts() -> None:
    with pytest.raises(KeyError):
        environment("api", {})


def test_only_its_owner_reads_the_env_file_and_git_does_not(env_file: Path) -> None:
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    assert "deploy/.env\n" in (ROOT / ".gitignore").read_text()


def test_a_line_that_is_there_stays_and_one_that_is_new_is_added(env_file: Path) -> None:
    before = given_by(env_file)
    lines = env_file.read_text().splitlines(keepends=True)
    env_file.write_text("".join(line for line in lines if "GRAFANA" not in line))

    write(env_file)

    after = given_by(env_file)
    assert after.pop("GRAFANA_PASSWORD") != before.pop("GRAFANA_PASSWORD")
    assert after == before


def test_who_is_given_something_to_do_runs(tmp_path: Path) -> None:
    channels = "home=ntfy://topic pager=json://10.0.0.1"
    write(tmp_path / "env", TELEGRAM_TOKEN="1:x", FLEETPULSE_NOTIFY=channels)

    given = given_by(tmp_path / "env")

    assert given["COMPOSE_PROFILES"] == "simulated,telegram,notify"
    assert environment("notify", given)["FLEETPULSE_NOTIFY"] == channels


def test_who_has_nothing_to_do_without_a_secret_waits_to_be_asked_for() -> None:
    profiles = {name: said.get("profiles") for name, said in services().items()}

    assert profiles.pop("bot") == ["telegram"]
    assert profiles.pop("notify") == ["notify"]
    assert profiles.pop("agent") == ["simulated"]
    assert not any(profiles.values())


@each
def test_what_a_service_waits_for_can_come_true(service: str) -> None:
    said = services()
    for name, how in said[service].get("depends_on", {}).items():
        other = said[name]
        assert "profiles" not in other
        if how["condition"] == "service_healthy":
            assert name in SETTINGS or "test" in other["healthcheck"]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert other["restart"].startswith("on-failure")


@each
def test_a_volume_is_declared_and_a_file_is_there(service: str) -> None:
    for mount in services()[service].get("volumes", ()):
        source = mount.split(":")[0]
        if source.startswith("."):
            assert mount.endswith(":ro")
            assert (FOLDER / source).exists()
        else:
            assert source in read("compose.yaml")["volumes"]


def test_every_volume_is_used_and_explained() -> None:
    used = {
        mount.split(":")[0]
        for said in services().values()
        for mount in said.get("volumes", ())
        if not mount.startswith(".")
    }
    page = (ROOT / "docs/deploy.md").read_text()

    assert used == set(read("compose.yaml")["volumes"])
    assert not [name for name in used if f"`{name}`" not in page]


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_process_keeps_its_data_where_its_image_has_them(service: str) -> None:
    data = images.environment(folder_of(service))["FLEETPULSE_DATA"]

    assert f"{service}:{data}" in services()[service]["volumes"]


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_process_is_watched_on_the_port_that_it_answers(service: str) -> None:
    ports = {host: port for _, host, port in scraped()}

    assert ports[service] == int(images.the(folder_of(service), "EXPOSE"))


def test_prometheus_asks_for_a_name_that_the_api_answers_to(env_file: Path) -> None:
    hosts = [host for job, host, _ in scraped() if job == "fleetpulse-api"]
    allowed = environment("api", given_by(env_file))["FLEETPULSE_ALLOWED_HOSTS"].split(",")

    assert set(hosts) <= set(allowed)
    assert allowed[0] == "localhost"  # what `fleetpulse keys link` prints


def test_prometheus_reads_the_key_that_the_first_start_writes() -> None:
    jobs = {job["job_name"]: job for job in read("prometheus/prometheus.yaml")["scrape_configs"]}
    file = jobs["fleetpulse-api"]["authorization"]["credentials_file"]

    assert f'KEY_FILE = "{Path(file).name}"' in (FOLDER / "first_start.py").read_text()
    assert f"keys:{Path(file).parent}:ro" in services()["prometheus"]["volumes"]
    assert "keys:/data" in services()["first-start"]["volumes"]
    assert services()["prometheus"]["group_add"] == [images.the("api", "USER").split(":")[1]]


def test_models_are_written_where_they_are_read(env_file: Path) -> None:
    given = given_by(env_file)
    places = {environment(name, given)["FLEETPULSE_MODELS"] for name in SETTINGS_OF_MODELS}

    assert len(places) == 1
    assert "endpoint=http://s3:8080" in places.pop()
    assert filled("${AWS_ACCESS_KEY}", given) == environment("s3", given)["S3PROXY_IDENTITY"]


SETTINGS_OF_MODELS = ("first-start", "api", "consumer")


def test_the_container_for_developers_has_what_make_test_needs() -> None:
    said = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    gate = (ROOT / ".ci/run").read_text()
    needed = set(re.findall(r"packages\+=\(([a-z0-9-]+)\)", gate))

    assert needed
    assert not [name for name in needed if name not in said["postCreateCommand"]]
    assert re.fullmatch(
        r"mcr\.microsoft\.com/devcontainers/python:\S*3\.11-bookworm", said["image"]
    )
