"""The images: each process alone, as nobody's root, without secrets, and pinned."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, get_args, get_type_hints

import pytest

from fleetpulse.health import Health
from fleetpulse.ops import answers, said_ready
from fleetpulse.secrets import Secret
from fleetpulse.settings import (
    AgentSettings,
    ApiSettings,
    BotSettings,
    ConsumerSettings,
    DataSettings,
    NotifySettings,
    variables,
)
from scripts.command_line import understood
from tests.unit.iac.configuration import PROCESSES, local_values
from tests.unit.test_house_packaging import packaging

ROOT = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, type[DataSettings]] = {
    "api": ApiSettings,
    "bot": BotSettings,
    "consumer": ConsumerSettings,
    "generators": AgentSettings,
    "fleetpulse/actions": NotifySettings,
}
EXTRAS = {
    "api": "api",
    "bot": "bot",
    "consumer": "consumer",
    "generators": "agent",
    "fleetpulse/actions": "notify",
}
# Of Python, OpenMP and matplotlib, which may write there when the file system is read-only.
NOT_OURS = {
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONSAFEPATH",
    "PYTHONUNBUFFERED",
    "OMP_NUM_THREADS",
    "MPLCONFIGDIR",
}

each_image = pytest.mark.parametrize("folder", SETTINGS)


class Instruction(NamedTuple):
    """A line of a Dockerfile."""

    word: str
    rest: str


@cache
def stages(folder: str) -> list[list[Instruction]]:
    """What a Dockerfile does, by stage; before the first is what holds for all."""
    text = re.sub(r"^#.*\n", "", (ROOT / folder / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[list[Instruction]] = [[]]
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            word, rest = line.split(maxsplit=1)
            if word == "FROM":
                found.append([])
            found[-1].append(Instruction(word, rest))
    return found


def the(folder: str, word: str) -> str:
    """What follows this word in the last stage, which has it once."""
    (rest,) = [each.rest for each in stages(folder)[-1] if each.word == word]
    return rest


def environment(folder: str) -> dict[str, str]:
    """What the image sets for its process."""
    return dict(pair.split("=", 1) for pair in shlex.split(the(folder, "ENV")))


def copied(folder: str) -> Iterator[str]:
    """What comes into the image from the source tree."""
    for stage in stages(folder):
        for each in stage:
            if each.word in ("COPY", "ADD") and not each.rest.startswith("--from="):
                yield from each.rest.split()[:-1]


@each_image
def test_both_stages_are_of_one_base_that_is_pinned(folder: str) -> None:
    before, *others = stages(folder)

    (base,) = [each.rest for each in before if each.word == "ARG"]
    assert re.fullmatch(r"BASE=python:3\.11\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", base)
    assert [stage[0].rest for stage in others] == ["${BASE} AS build", "${BASE}"]


def test_all_images_are_of_one_base() -> None:
    assert len({stages(folder)[0][0] for folder in SETTINGS}) == 1


@each_image
def test_only_the_extra_of_its_process_is_installed_and_pinned(folder: str) -> None:
    build = stages(folder)[1]

    (extras,) = [each.rest for each in build if each.word == "ARG"]
    (install,) = [each.rest for each in build if "pip install" in each.rest]
    assert extras == f"EXTRAS={EXTRAS[folder]}"
    assert EXTRAS[folder] in packaging()["extras_require"]
    assert '--constraint requirements.txt ".[${EXTRAS}]"' in install


@each_image
def test_the_last_stage_holds_nothing_of_the_source_tree(folder: str) -> None:
    assert the(folder, "COPY") == "--from=build /opt/fleetpulse /opt/fleetpulse"
    assert not [each for each in stages(folder)[-1] if each.word == "ADD"]


@each_image
def test_its_process_is_not_root_and_owns_its_data_folder(folder: str) -> None:
    words = [each.word for each in stages(folder)[-1]]

    assert the(folder, "USER") == "10001:10001"
    assert words.index("USER") > max(n for n, word in enumerate(words) if word == "RUN")
    assert "--owner 10001 --group 10001 --mode 0750 /data" in the(folder, "RUN")
    assert environment(folder)["FLEETPULSE_DATA"] == "/data"
    assert the(folder, "VOLUME").split() == ["/data", "/tmp"]  # noqa: S108


@each_image
def test_what_it_sets_are_settings_of_its_process_and_no_secrets(folder: str) -> None:
    known = {variable.name: field for field, variable in variables(SETTINGS[folder])}
    hints = get_type_hints(SETTINGS[folder])
    secret = {name for name, field in known.items() if Secret in get_args(hints[field])}

    ours = environment(folder).keys() - NOT_OURS

    assert ours <= known.keys()
    assert secret
    assert not ours & secret
    for stage in stages(folder):
        arguments = {each.rest.partition("=")[0] for each in stage if each.word == "ARG"}
        assert arguments <= {"BASE", "EXTRAS"}


@each_image
def test_its_health_is_asked_where_it_answers(folder: str) -> None:
    script = json.loads(the(folder, "HEALTHCHECK").partition("CMD ")[2])[2]
    port = "FLEETPULSE_PORT" if folder == "api" else "FLEETPULSE_OPS_PORT"

    ast.parse(script)
    assert f"os.environ['{port}'] + '/healthz'" in script
    assert environment(folder)[port] == the(folder, "EXPOSE")
    assert "/healthz" in answers(Health(), None, said_ready)  # type: ignore[arg-type]


@each_image
def test_it_answers_beyond_its_loopback(folder: str) -> None:
    host = "FLEETPULSE_HOST" if folder == "api" else "FLEETPULSE_OPS_HOST"

    assert environment(folder)[host] == "0.0.0.0"  # noqa: S104


@each_image
def test_it_starts_with_words_that_its_process_understands(folder: str) -> None:
    module = importlib.import_module(folder.replace("/", ".") + ".__main__")
    words = [
        word for each in stages(folder)[-1] if each.word == "CMD" for word in json.loads(each.rest)
    ]

    # An agent is told of what it is to be one: by compose.yaml, or by who starts it.
    understood(module.main, words or (["pc"] if folder == "generators" else []))


@each_image
def test_it_starts_a_process_that_there_is(folder: str) -> None:
    assert json.loads(the(folder, "ENTRYPOINT")) == ["python", "-m", folder.replace("/", ".")]
    assert (ROOT / folder / "__main__.py").exists()


@pytest.mark.parametrize("process", PROCESSES)
def test_an_image_answers_on_the_port_that_aws_asks(process: str) -> None:
    (folder,) = [folder for folder, extra in EXTRAS.items() if extra == process]

    assert the(folder, "EXPOSE") == str(local_values()["ports"][process])


def test_the_images_differ_in_their_process_only() -> None:
    builds = {
        tuple(each for each in stages(folder)[1] if each.word != "ARG") for folder in SETTINGS
    }

    assert len(builds) == 1


def test_the_last_stages_differ_in_how_their_process_is_set_started_and_asked_only() -> None:
    differ = {"ENV", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    lasts = {
        tuple(each for each in stages(folder)[-1] if each.word not in differ) for folder in SETTINGS
    }

    (last,) = lasts
    words = [each.word for each in last]
    assert words == ["FROM", "RUN", "COPY", "USER", "WORKDIR", "VOLUME"]
    assert not re.search(r"chmod|chown|\b0?777\b", the("api", "RUN"))


@each_image
def test_everything_that_the_wheel_is_built_from_gets_in(folder: str) -> None:
    packages = {name.partition(".")[0] for name in packaging()["packages"]}

    assert packages <= set(copied(folder))
    for name in copied(folder):
        assert (ROOT / name).exists()
        assert not is_ignored(name)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".fleetpulse/fleetpulse.db",
        ".venv/bin/python",
        "tests/conftest.py",
        "agent.env",
        "fleetpulse/.env",
        "api/server.key",
        "api/secrets.env",
        "consumer/ca.pem",
        "bot/__pycache__/app.pyc",
        "model/training_data/recorded-pc.csv",
    ],
)
def test_what_is_secret_or_of_no_use_stays_out(path: str) -> None:
    assert is_ignored(path)


def test_what_lies_beside_the_code_gets_in() -> None:
    beside = {
        path.relative_to(ROOT)
        for package, patterns in packaging()["package_data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }

    assert beside
    assert not [path for path in beside if is_ignored(str(path))]


def is_ignored(path: str) -> bool:
    """Whether .dockerignore keeps this out: the last line that matches it, or a folder of it."""
    ignored = False
    parts = path.split("/")
    prefixes = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.lstrip("!").rstrip("/")
        anywhere = pattern.removeprefix("**/")
        names = [prefix.split("/")[-1] for prefix in prefixes] if anywhere != pattern else prefixes
        # A star stops at a slash, so it is held against a whole path of as many parts only.
        if any(
            fnmatch.fnmatchcase(name, anywhere) and name.count("/") == anywhere.count("/")
            for name in names
        ):
            ignored = not line.startswith("!")
    return ignored
