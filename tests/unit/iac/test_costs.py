"""The page's costs add up, and are those of docs/dynamodb.md."""

from __future__ import annotations

import re

import pytest

from tests.unit.iac.configuration import FOLDER

PAGE = (FOLDER / "README.md").read_text()
DYNAMODB = (FOLDER.parent / "docs/dynamodb.md").read_text()
ROW = re.compile(r"^\| (.+?) \| ([\d.*]+) \| ([\d.*]+) \| ([\d.*]+) \|", re.MULTILINE)
COSTS = {
    name.strip("*"): [round(float(cell.strip("*")) * 100) for cell in cells]
    for name, *cells in ROW.findall(PAGE)
}  # in cents
DEVICES = (3, 100, 10_000)
HOURS = 730  # of a month


KAFKA = {"with Confluent": "Kafka: Confluent", "with MSK": "Kafka: MSK"}
TOTALS = {"without Kafka", *KAFKA}

each_fleet = pytest.mark.parametrize("fleet", range(3))


@each_fleet
def test_the_parts_make_the_whole(fleet: int) -> None:
    parts = [
        cents[fleet] for name, cents in COSTS.items() if name not in {*TOTALS, *KAFKA.values()}
    ]

    assert sum(parts) == COSTS["without Kafka"][fleet]


@each_fleet
@pytest.mark.parametrize("whole", KAFKA)
def test_a_whole_has_its_kafka_in_it(whole: str, fleet: int) -> None:
    assert COSTS[whole][fleet] == COSTS["without Kafka"][fleet] + COSTS[KAFKA[whole]][fleet]


@each_fleet
def test_confluent_is_paid_by_what_is_written_read_and_kept(fleet: int) -> None:
    written_gb = 0.13 * DEVICES[fleet]
    kept_gb = written_gb * 7 / (HOURS / 24)

    dollars = 2 * written_gb * 0.05 + kept_gb * 0.08

    assert COSTS["Kafka: Confluent"][fleet] == round(dollars * 100)


@pytest.mark.parametrize(
    ("fleet", "brokers", "an_hour", "gb_each"),
    [(0, 2, 0.0456, 50), (1, 2, 0.0456, 50), (2, 3, 0.204, 400)],
)
def test_msk_is_paid_by_its_brokers_and_their_storage(
    fleet: int, brokers: int, an_hour: float, gb_each: int
) -> None:
    dollars = brokers * (an_hour * HOURS + gb_each * 0.10)

    assert COSTS["Kafka: MSK"][fleet] == round(dollars * 100)


def test_tables_cost_what_their_own_page_says() -> None:
    cells = [
        re.findall(
            rf"^\| {devices} devices \| \D*([\d.,]+)\D* \| \D*([\d.,]+)", DYNAMODB, re.MULTILINE
        )
        for devices in ("3", "100", "10,000")
    ]
    (three,), (hundred,), (many,) = cells

    said = [float(cost.replace(",", "")) for cost in (three[0], hundred[1], many[1])]

    assert COSTS["DynamoDB, by device"] == [round(cost * 100) for cost in said]
