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


@pytest.mark.parametrize("fleet", [0, 1, 2])
def test_the_parts_make_the_whole(fleet: int) -> None:
    parts = [cents[fleet] for name, cents in COSTS.items() if name != "together"]

    assert sum(parts) == COSTS["together"][fleet]


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
