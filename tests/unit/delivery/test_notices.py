"""Notices read as what they are: no alarm, no chart, one sentence."""

from __future__ import annotations

import pytest

from fleetpulse.notices import Matter, Notices
from fleetpulse.stores.protocols import Heartbeat
from tests.contracts.builders import a_device
from tests.unit.bot.asking import ask
from tests.unit.delivery.bench import Bench

SILENT = "The consumer has been silent for 60 s: no warnings come until it is back."


def reported(bench: Bench, matter: Matter, problem: str | None) -> None:
    Notices(bench.store, bench.clock).report(matter, problem)


def said(bench: Bench, text: str) -> str:
    return ask(bench.store, text, bench.clock.now_ms()).text


def test_a_problem_of_ours_is_told_as_one_sentence_without_a_chart(bench: Bench) -> None:
    reported(bench, Matter.CONSUMER_SILENT, SILENT)

    bench.later(1)

    ((_, post),) = bench.sender.sent
    assert post.text == f"⚠️ <b>fleetpulse</b>: {SILENT}"
    assert [button.label for button in post.buttons] == ["Ack"]
    assert post.photo is None
    assert bench.charted == []


def test_that_it_is_over_is_told_with_how_long_it_lasted(bench: Bench) -> None:
    reported(bench, Matter.CONSUMER_SILENT, SILENT)
    bench.later(90)
    reported(bench, Matter.CONSUMER_SILENT, None)

    bench.later(1)

    assert bench.sender.read[-1][1].startswith(
        "✅ <b>fleetpulse</b>: the consumer is back. It lasted 1 min 30 s."
    )


@pytest.mark.parametrize("matter", Matter)
def test_every_matter_has_words_for_its_end(bench: Bench, matter: Matter) -> None:
    reported(bench, matter, "Something.")
    bench.later(1)
    reported(bench, matter, None)

    bench.later(1)

    assert f"{matter} is over" not in bench.sender.read[-1][1]


def test_a_sentence_is_escaped(bench: Bench) -> None:
    reported(bench, Matter.DEAD_LETTERS, "9 records <b> cannot be read.")

    bench.later(1)

    assert "9 records &lt;b&gt; cannot" in bench.sender.texts()[-1]


def test_old_ones_are_a_line_of_the_summary(bench: Bench) -> None:
    reported(bench, Matter.MODEL, "The bucket is away.")
    bench.clock.advance(1800)
    bench.later(1)

    bench.later(60)

    assert "⚠️ <b>fleetpulse</b>: the models cannot be renewed, 31 min" in bench.sender.texts()[-1]


def test_the_list_of_alerts_has_them(bench: Bench) -> None:
    reported(bench, Matter.CONSUMER_SILENT, SILENT)
    bench.clock.advance(60)

    assert said(bench, "/alerts") == f"⚠️ <b>fleetpulse</b>: {SILENT} (1 min ago)"

    reported(bench, Matter.CONSUMER_SILENT, None)
    bench.clock.advance(60)

    assert "✅ <b>fleetpulse</b>: the consumer is back, 1 min ago" in said(bench, "/alerts")


def test_the_status_of_fleetpulse_says_how_its_processes_are(bench: Bench) -> None:
    reported(bench, Matter.CONSUMER_SILENT, SILENT)
    at = bench.clock.now_ms()
    bench.store.heartbeats.beat(Heartbeat(process="consumer", at=at - 70_000))
    bench.store.heartbeats.beat(Heartbeat(process="bot", at=at, detail="stopped"))

    assert said(bench, "/status fleetpulse").splitlines() == [
        f"⚠️ <b>fleetpulse</b>: {SILENT} (now)",
        "bot was stopped just now",
        "consumer was heard of 1 min 10 s ago",
    ]


def test_the_status_of_fleetpulse_is_ok_while_nothing_is_wrong(bench: Bench) -> None:
    assert said(bench, "/status fleetpulse").startswith("🟢 <b>fleetpulse</b> is ok")


def test_a_notice_about_a_device_names_it_and_is_no_alarm(bench: Bench) -> None:
    device = a_device("pc-<1>", kind="pc")
    Notices(bench.store, bench.clock).report(Matter.COOLING, "It gets 6 °C hotter.", device)

    bench.later(1)

    ((_, post),) = bench.sender.sent
    assert post.text == "🔧 <b>pc-&lt;1&gt;</b>: It gets 6 °C hotter."
    assert [button.label for button in post.buttons] == ["Ack"]
    assert post.photo is None
