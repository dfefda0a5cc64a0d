"""Terraform makes the tables that the store would make itself."""

from __future__ import annotations

from typing import Any

import pytest

from fleetpulse.stores.dynamodb_tables import EXPIRES_AT, TABLES, Table
from tests.unit.iac.configuration import Installation, local_values, named

each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def made(table: Table) -> dict[str, Any]:
    """A table as Terraform makes it."""
    found: dict[str, Any] = local_values()["tables"][table.name]
    return found


def store() -> dict[str, Any]:
    """The resource that makes all of them."""
    return named("resource", "aws_dynamodb_table")["store"]


def dynamic(kind: str) -> list[dict[str, Any]]:
    """The blocks of a kind that are made for each of something."""
    return [each[kind] for each in store()["dynamic"] if kind in each]


def test_there_is_every_table_and_no_other() -> None:
    assert set(local_values()["tables"]) == {table.name for table in TABLES}


@each_table
def test_keys_are_those_of_the_code(table: Table) -> None:
    keys = tuple(
        (made(table)[part]["name"], made(table)[part]["type"]) for part in ("hash", "range")
    )

    assert keys == table.keys


@each_table
def test_indexes_are_those_of_the_code(table: Table) -> None:
    indexes = {
        name: ((index["hash"], "S"), (index["range"], "S"))
        for name, index in made(table)["indexes"].items()
    }

    assert indexes == dict(table.indexes)


@each_table
def test_items_expire_and_tables_recover_as_in_the_code(table: Table) -> None:
    assert made(table)["expires"] is table.expires
    assert made(table)["recoverable"] is table.recoverable


def test_the_resource_is_made_of_these_values() -> None:
    (expiry,) = dynamic("ttl")

    assert store()["name"] == "${local.name}-${each.key}"
    assert store()["billing_mode"] == "PAY_PER_REQUEST"
    assert store()["hash_key"] == "${each.value.hash.name}"
    assert store()["range_key"] == "${each.value.range.name}"
    assert store()["point_in_time_recovery"] == [{"enabled": "${each.value.recoverable}"}]
    assert expiry["for_each"] == f'${{each.value.expires ? ["{EXPIRES_AT}"] : []}}'


@each_table
def test_a_table_is_made_with_the_indexes_of_the_code_and_with_all_that_they_sort_by(
    table: Table,
) -> None:
    here = Installation()
    resource = ("aws_dynamodb_table", "store")

    indexes = here.dynamic(*resource, "global_secondary_index", table.name)
    attributes = here.dynamic(*resource, "attribute", table.name)

    of_code = {name: tuple(key for key, _ in keys) for name, keys in dict(table.indexes).items()}
    assert {one["name"]: (one["hash_key"], one["range_key"]) for one in indexes} == of_code
    assert {one["projection_type"] for one in indexes} <= {"ALL"}
    sorted_by = [*table.keys, *(key for keys in dict(table.indexes).values() for key in keys)]
    assert sorted((one["name"], one["type"]) for one in attributes) == sorted(sorted_by)


def test_attributes_of_indexes_are_texts_as_terraform_declares_them() -> None:
    _, of_indexes = dynamic("attribute")

    assert of_indexes["content"][0]["type"] == "S"
    assert {kind for table in TABLES for _, keys in table.indexes for _, kind in keys} == {"S"}
