"""`fleetpulse doctor`: a line for everything, what to do, and no secret."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from fleetpulse.cli import doctor, doctor_machine, doctor_questions
from fleetpulse.cli.doctor import Asked, Finding, State, finding_of
from fleetpulse.cli.doctor_questions import NotSet, NotWell, Question
from fleetpulse.clock import ManualClock
from fleetpulse.errors import SettingsError, StoreAway, StoreError
from fleetpulse.settings import AgentSettings
from fleetpulse.stores import open_store
from generators.pc import HOST_SENSORS
from generators.upload import Answer, Poster

SECRET = "123456:AAH-a-secret"


def question(answer: str | Exception, part: str = "store") -> Question:
    """One with this outcome."""

    def ask() -> str:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Question(part=part, variable="FLEETPULSE_STORE", extra="consumer", ask=ask)


def asked_of(name: str) -> Finding:
    """What comes of the question about this part."""
    return finding_of(next(each for each in doctor_questions.QUESTIONS if each.part == name))


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ("sqlite answers", State.OK, "sqlite answers"),
        (NotSet("none yet"), State.NOT_SET, "none yet"),
        (NotWell("set FLEETPULSE_STORE"), State.NOT_OK, "set FLEETPULSE_STORE"),
        (
            StoreAway("The store is away."),
            State.NOT_OK,
            "The store is away. Check FLEETPULSE_STORE.",
        ),
        (
            ModuleNotFoundError("no", name="sqlalchemy"),
            State.NOT_OK,
            "sqlalchemy is not installed; run: pip install 'fleetpulse[consumer]'",
        ),
    ],
    ids=repr,
)
def test_each_outcome_is_a_line(answer: str | Exception, state: State, said: str) -> None:
    assert finding_of(question(answer)) == Finding("store", state, said)


def test_an_error_that_nobody_thought_of_is_not_shown_as_it_may_hold_a_secret() -> None:
    found = finding_of(question(RuntimeError(f"cannot reach {SECRET}")))

    assert found.state is State.NOT_OK
    assert found.said == "failed (RuntimeError); check FLEETPULSE_STORE."


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (StoreError("The disk is full."), "The disk is full. Check FLEETPULSE_STORE."),
        (NotWell("It asks to wait (503)."), "It asks to wait (503). Check FLEETPULSE_STORE."),
        (SettingsError("OTHER is no number."), "OTHER is no number."),
        (StoreError("Run `fleetpulse restore`."), "Run `fleetpulse restore`."),
        (
            NotWell("[SSL: WRONG_VERSION_NUMBER] wrong version number."),
            "[SSL: WRONG_VERSION_NUMBER] wrong version number. Check FLEETPULSE_STORE.",
        ),
    ],
    ids=str,
)
def test_what_is_not_ok_always_names_what_to_look_at(problem: Exception, said: str) -> None:
    assert finding_of(question(problem)) == Finding("store", State.NOT_OK, said)


def test_findings_keep_the_order_of_the_questions() -> None:
    asked = Asked([question("1", "one"), question("2", "two"), question("3", "three")], 60)

    assert [each.said for each in asked.findings()] == ["1", "2", "3"]


def test_what_hangs_is_not_ok_and_holds_up_nothing() -> None:
    never = threading.Event()

    def hang() -> str:
        never.wait()
        return ""

    hanging = Question(part="broker", variable="KAFKA_BROKER_SETTINGS", extra="agent", ask=hang)

    (found,) = Asked([hanging], 0).findings()

    never.set()
    assert found.state is State.NOT_OK
    assert "does not answer within 5 s" in found.said
    assert "KAFKA_BROKER_SETTINGS" in found.said


@pytest.mark.parametrize(
    ("answer", "code"), [("well", 0), (NotSet("none"), 0), (NotWell("down"), 1)], ids=repr
)
def test_only_what_is_set_and_not_well_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str | Exception,
    code: int,
) -> None:
    monkeypatch.setattr(doctor_questions, "QUESTIONS", (question(answer),))
    monkeypatch.setattr(doctor_machine, "told", lambda: "This machine\n")

    assert doctor.main([]) == code

    assert capsys.readouterr().out.startswith("This machine\n\nWhat is set\n  store  ")


def test_with_nothing_set_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))

    states = {each.part: finding_of(each).state for each in doctor_questions.QUESTIONS}

    assert states.pop("settings") is State.OK
    assert states.pop("models") is State.OK  # those that are shipped
    assert set(states.values()) == {State.NOT_SET}
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_there_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    open_store(f"sqlite:///{tmp_path / 'fleetpulse.db'}").close()

    assert asked_of("store") == Finding("store", State.OK, "sqlite answers")


def test_a_store_that_is_named_and_missing_is_not_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLEETPULSE_STORE", f"sqlite:///{tmp_path / 'other.db'}")

    assert asked_of("store").state is State.NOT_OK
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_CLUSTER_SECRET", SECRET)

    found = asked_of("broker")

    assert found.state is State.NOT_OK
    assert "KAFKA_CLUSTER_KEY" in found.said
    assert SECRET not in found.said


@pytest.mark.parametrize("address", ["fleet", "ftp://fleet", "https://u:pw@fleet", "http://[::"])
def test_what_is_no_address_is_not_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("FLEETPULSE_API", address)
    monkeypatch.setenv("FLEETPULSE_INGEST_KEY", "fp_key")

    assert asked_of("API for agents").said == (
        "FLEETPULSE_API must be an address such as https://HOST."
    )


@pytest.mark.parametrize(
    ("taken", "state"),
    [(Answer(status=202, accepted=0), State.OK), (Answer(status=401), State.NOT_OK)],
    ids=["takes the key", "refuses the key"],
)
def test_the_api_is_well_when_it_takes_the_key_for_this_device(
    monkeypatch: pytest.MonkeyPatch, taken: Answer, state: State
) -> None:
    monkeypatch.setenv("FLEETPULSE_API", "https://fleet.example.org/")
    monkeypatch.setenv("FLEETPULSE_INGEST_KEY", "fp_key")
    monkeypatch.setenv("FLEETPULSE_DEVICE_ID", "pi-7")
    asked = b'{"device_id":"pi-7","readings":[]}'
    monkeypatch.setattr(Poster, "__call__", lambda _, body: taken if body == asked else None)

    found = asked_of("API for agents")

    assert found.state is state
    assert found.said.startswith("https://fleet.example.org")
    assert state is State.OK or "FLEETPULSE_" in found.said


def test_the_settings_of_the_service_are_pointed_to_where_no_others_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "agent.env"
    file.write_text("FLEETPULSE_API=https://fleet.example.org\n")
    monkeypatch.setattr(doctor_questions, "SERVICE_SETTINGS", file)

    found = asked_of("API for agents")
    monkeypatch.setenv("KAFKA_BROKER_SETTINGS", "broker:9092")
    with_broker = asked_of("API for agents")

    assert found.state is State.NOT_SET
    assert f"set -a; . {file}; " in found.said
    assert with_broker.said == "an agent here publishes to Kafka"


def test_a_device_id_with_which_no_agent_starts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_DEVICE_ID", "a b")

    found = asked_of("settings")

    assert found.state is State.NOT_OK
    assert found.said.startswith("FLEETPULSE_DEVICE_ID must be")


def test_who_may_not_look_for_the_settings_of_the_service_is_pointed_to_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", forbidden)

    found = asked_of("API for agents")

    assert found.state is State.NOT_SET
    assert "set -a" in found.said


def test_a_wrong_setting_of_every_process_is_told_once_and_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))
    monkeypatch.setenv("FLEETPULSE_INTERVAL", "abc")
    open_store(f"sqlite:///{tmp_path / 'fleetpulse.db'}").close()

    findings = [finding_of(each) for each in doctor_questions.QUESTIONS]

    wrong = [each for each in findings if "FLEETPULSE_INTERVAL" in each.said]
    assert [(each.part, each.state) for each in wrong] == [("settings", State.NOT_OK)]
    assert Finding("store", State.OK, "sqlite answers") in findings


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ((200, b'{"result": {"username": "my_bot"}}'), State.OK, "@my_bot"),
        ((401, b"{}"), State.NOT_OK, "does not know TELEGRAM_TOKEN"),
        ((404, b"{}"), State.NOT_OK, "does not know TELEGRAM_TOKEN"),
        ((200, b"<html>"), State.NOT_OK, "is no Bot API"),
        ((200, b"[]"), State.NOT_OK, "is no Bot API"),
    ],
    ids=repr,
)
def test_the_token_is_tried_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes], state: State, said: str
) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", SECRET)
    monkeypatch.setattr(doctor_questions, "_answer_of", lambda *_: answer)

    found = asked_of("Telegram")

    assert found.state is state
    assert said in found.said
    assert SECRET not in found.said


def test_a_channel_is_told_with_its_unit_and_origin_and_zero_is_a_value() -> None:
    assert doctor_machine.row_of("load_pct", "psutil", 0.0) == (
        "  load_pct",
        "ok",
        "0 %",
        "psutil",
    )


def test_a_channel_that_is_missing_is_told_with_where_it_would_come_from() -> None:
    _, state, value, why = doctor_machine.row_of("power_w", "RAPL", None)

    assert (state, value, why) == ("lacking", "", "not found here: RAPL")


@pytest.mark.parametrize(
    ("model", "kind"), [("Raspberry Pi 5 Model B Rev 1.0\0", "raspberry"), ("Pine64", "pc")]
)
def test_the_device_tree_says_what_a_machine_is(tmp_path: Path, model: str, kind: str) -> None:
    file = tmp_path / "model"
    file.write_text(model)

    assert doctor_machine.kind_here(file) == kind
    assert doctor_machine.kind_here(tmp_path / "none") == "pc"


def test_every_channel_of_this_machine_is_told(tmp_path: Path) -> None:
    told = doctor_machine.told(ManualClock(), tmp_path / "none")

    lines = told.splitlines()
    assert lines[0] == "What this machine measures, as agent pc"
    assert [line.split()[0] for line in lines[1 : len(HOST_SENSORS) + 1]] == [
        sensor.name for sensor in HOST_SENSORS
    ]


def test_what_an_agent_would_warn_of_is_a_note(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def warn(kind: str, settings: AgentSettings, clock: object) -> tuple[list[object], object]:
        logging.getLogger("generators.pc").warning("only root may read %s", "energy_uj")
        return [], {}

    monkeypatch.setattr(doctor_machine, "measured", warn)

    told = doctor_machine.told(ManualClock(), tmp_path / "none")

    assert "  note: only root may read energy_uj\n" in told
    assert capsys.readouterr().err == ""


def test_without_the_agents_libraries_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object) -> None:
        raise ModuleNotFoundError("no", name="psutil")

    monkeypatch.setattr(doctor_machine, "measured", missing)

    assert doctor_machine.told(ManualClock()).endswith("pip install 'fleetpulse[agent]'\n")
