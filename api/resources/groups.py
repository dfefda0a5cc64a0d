"""/groups: devices under one name, for owners, snoozes and subscriptions."""

from __future__ import annotations

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource
from werkzeug.exceptions import NotFound

from api import pages, query
from api.bodies import body_as
from api.documented import WRITTEN, documented, page_model, with_models
from api.fields import texts, words
from api.parts import store
from fleetpulse.people import People, checked_group, remove_group

NAMED = {"name": words("Its name, without the @", "lab", pattern="^[a-z0-9][a-z0-9-]{0,31}$")}
GROUP = Model(
    "Group", {**NAMED, "devices": texts("Names of devices, and patterns", ["lab-*", "pi-attic"])}
)
GROUP_NAMED = Model("GroupNamed", NAMED)
GROUP_PAGE = page_model(GROUP)

groups = with_models(
    Namespace("groups", "Devices under one name", path="/api/v1/groups"),
    GROUP,
    GROUP_NAMED,
    GROUP_PAGE,
)

PARAMETERS = (query.LIMIT, query.CURSOR)


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a PUT."""

    name: str
    devices: list[str]


class Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a DELETE."""

    name: str


@groups.route("")
class Groups(Resource):
    """The groups."""

    @documented(groups, GROUP_PAGE, "A page of groups", parameters=PARAMETERS)
    def get(self) -> Response:
        """Every group, by name"""
        asked = query.asked(*PARAMETERS)
        return pages.named_page(
            People(store().documents).groups.all(),
            asked["limit"],
            asked["cursor"],
            listed="groups",
            view=lambda _, group: msgspec.to_builtins(group),
        )

    @documented(
        groups,
        GROUP,
        "Kept",
        problems=WRITTEN | {400: "The body is not a group; detail says why"},
    )
    @groups.expect(GROUP)
    def put(self) -> Response:
        """Make or replace a group"""
        query.asked()
        wanted = body_as(Wanted, "a group")
        group = checked_group(wanted.name, wanted.devices)
        People(store().documents).groups.put(group.name, group)
        return pages.answer(group)

    @documented(
        groups,
        GROUP,
        "Forgotten; as it was",
        problems=WRITTEN
        | {
            400: "The body names no group",
            404: "There is no such group",
            409: "People own it, or chats have chosen it; detail says who",
        },
    )
    @groups.expect(GROUP_NAMED)
    def delete(self) -> Response:
        """Forget a group; its devices stay"""
        query.asked()
        name = body_as(Named, "the name of a group").name
        group = remove_group(People(store().documents), name)
        if group is None:
            raise NotFound(f"There is no group called {name[:64]!r}.")
        return pages.answer(group)
