"""Where things are: one VPC, its subnets, the ways out of them, and the name they are found by."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest

from tests.unit.iac.configuration import FOLDER, Installation, named

IN_THE_VPC = (
    "aws_default_security_group",
    "aws_flow_log",
    "aws_internet_gateway",
    "aws_lb_target_group",
    "aws_route_table",
    "aws_security_group",
    "aws_subnet",
    "aws_vpc_endpoint",
)
OF_OUR_ZONE = (
    ("aws_acm_certificate", "api"),
    ("aws_acm_certificate_validation", "api"),
    ("aws_route53_record", "validation"),
    ("aws_route53_record", "api"),
)
EVERYWHERE = "0.0.0.0/0"

each_environment = pytest.mark.parametrize("environment", ["dev", "prod"])


def tables(here: Installation, kind: str) -> dict[str, str]:
    """Subnet -> route table, of the subnets of a kind."""
    found = here.counted("aws_route_table_association", kind)
    return {one["subnet_id"]: one["route_table_id"] for one in found}


def subnets(kind: str, count: int) -> list[str]:
    """The ids of the subnets of a kind."""
    return [f"aws_subnet.{kind}[{index}].id" for index in range(count)]


@pytest.mark.parametrize("kind", IN_THE_VPC)
def test_all_that_is_in_a_vpc_is_in_the_one_that_is_made(kind: str) -> None:
    found = named("resource", kind)

    assert found
    assert {body.get("vpc_id") for body in found.values()} == {"${aws_vpc.fleet.id}"}
    assert list(named("resource", "aws_vpc")) == ["fleet"]


@each_environment
def test_each_zone_has_a_private_and_a_public_subnet_and_none_overlaps(environment: str) -> None:
    here = Installation(environment)
    made = {kind: here.counted("aws_subnet", kind) for kind in ("private", "public")}

    zones = {kind: [one["availability_zone"] for one in found] for kind, found in made.items()}
    networks = [
        ipaddress.IPv4Network(one["cidr_block"]) for found in made.values() for one in found
    ]

    assert zones == dict.fromkeys(made, here.local("zones"))
    whole = ipaddress.IPv4Network(here.value("${var.network_cidr}"))
    assert all(whole.supernet_of(network) for network in networks)
    assert not any(
        one.overlaps(other) for at, one in enumerate(networks) for other in networks[at + 1 :]
    )


@pytest.mark.parametrize(("environment", "gateways"), [("dev", [0, 0]), ("prod", [0, 1, 2])])
def test_private_subnets_go_out_by_a_gateway_of_their_zone_or_the_one(
    environment: str, gateways: list[int]
) -> None:
    here = Installation(environment)
    of_subnet = tables(here, "private")
    routes = {one["route_table_id"]: one for one in here.counted("aws_route", "private_out")}
    nats = here.counted("aws_nat_gateway", "out")

    ways = [routes[of_subnet[subnet]] for subnet in subnets("private", len(gateways))]

    assert len(set(of_subnet.values())) == len(of_subnet) == len(gateways)
    assert {one["destination_cidr_block"] for one in ways} == {EVERYWHERE}
    assert [one["nat_gateway_id"] for one in ways] == [
        f"aws_nat_gateway.out[{index}].id" for index in gateways
    ]
    assert [one["subnet_id"] for one in nats] == subnets("public", len(set(gateways)))
    assert [one["allocation_id"] for one in nats] == [
        f"aws_eip.nat[{index}].id" for index in range(len(nats))
    ]
    assert len(here.counted("aws_eip", "nat")) == len(nats)


@each_environment
def test_public_subnets_go_out_by_the_internet_gateway(environment: str) -> None:
    here = Installation(environment)
    out = here.value(named("resource", "aws_route")["public_out"])
    public = subnets("public", len(here.local("zones")))

    assert tables(here, "public") == dict.fromkeys(public, "aws_route_table.public.id")
    assert out["route_table_id"] == "aws_route_table.public.id"
    assert out["destination_cidr_block"] == EVERYWHERE
    assert out["gateway_id"] == "aws_internet_gateway.fleet.id"


def test_with_a_zone_of_ours_the_name_and_its_certificate_are_made_there() -> None:
    here = Installation()
    ((certificate,), (validated,), (proof,), (name,)) = (here.counted(*one) for one in OF_OUR_ZONE)

    assert (certificate["domain_name"], certificate["validation_method"]) == (
        "fleet-dev.example.org",
        "DNS",
    )
    assert validated["certificate_arn"] == "aws_acm_certificate.api[0].arn"
    assert validated["validation_record_fqdns"] == ["aws_route53_record.validation[0].fqdn"]
    option = "aws_acm_certificate.api[0].domain_validation_options.resource_record_"
    assert (proof["name"], proof["type"]) == (f"{option}name", f"{option}type")
    assert proof["records"] == [f"{option}value"]
    assert {proof["zone_id"], name["zone_id"]} == {"Z0000000000000000000"}
    assert (name["name"], name["type"]) == ("fleet-dev.example.org", "A")
    (alias,) = name["alias"]
    assert (alias["name"], alias["zone_id"]) == ("aws_lb.api.dns_name", "aws_lb.api.zone_id")


def test_with_a_certificate_of_somebody_elses_none_of_it_is_made() -> None:
    here = Installation(hosted_zone_id=None, certificate_arn="arn:theirs")

    assert not [one for kind in OF_OUR_ZONE for one in here.counted(*kind)]
    assert here.local("certificate_arn") == "arn:theirs"


def before(resource: dict[str, Any]) -> set[str]:
    """What is made before a resource because it says so."""
    return {address.strip("${}") for address in resource["depends_on"]}


def test_kafka_and_all_ways_to_its_first_rights_are_one_target_and_come_before_consumers() -> None:
    gate = named("resource", "terraform_data")["kafka_admin"]
    ways = {
        f"{kind}.{name}"
        for kind in ("aws_route", "aws_route_table_association")
        for name in named("resource", kind)
    }
    rules = {
        f"{kind}.{name}"
        for kind in ("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule")
        for name, rule in named("resource", kind).items()
        if "aws_security_group.kafka_admin" in str(rule)
    }

    assert before(gate) == ways | rules | {"aws_msk_scram_secret_association.fleet"}
    assert "terraform_data.kafka_admin" in before(named("resource", "aws_ecs_service")["of"])
    assert "-target=terraform_data.kafka_admin\n" in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("page", ["iac/README.md", "docs/aws.md"])
def test_a_target_on_a_page_is_a_resource(page: str) -> None:
    targets = re.findall(r"-target=(\w+)\.(\w+)", (FOLDER.parent / page).read_text())

    assert targets
    assert not [name for kind, name in targets if name not in named("resource", kind)]
