"""/people: who has chats, what they may do, and the codes that make a chat theirs."""

from __future__ import annotations

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource
from werkzeug.exceptions import NotFound

from api import pages, query
from api.bodies import body_as
from api.documented import WRITTEN, documented, page_model, with_models
from api.fields import moment, optional, texts, words
from api.parts import now_ms, store
from fleetpulse.pairing import (
    CODE_MS,
    drop_old_codes,
    make_code,
    remove_person,
    wanted_person,
)
from fleetpulse.people import People as Kept
from fleetpulse.people import Person, Role

NAMED = {"name": words("The person's name", "Ada")}
_RIGHTS = {
    "role": words(
        "owner: may acknowledge, snooze and change limits in the chat; viewer: may ask",
        "owner",
        enum=[str(each) for each in Role],
    ),
    "owns": texts(
        "Whose alerts the person is told of: devices, patterns, @groups and kinds as"
        " kind:raspberry; empty: of every device",
        ["@lab", "pi-attic"],
    ),
}
PERSON = Model("Person", NAMED | _RIGHTS)
PERSON_WANTED = Model(
    "PersonWanted", NAMED | {name: optional(field) for name, field in _RIGHTS.items()}
)
PERSON_NAMED = Model("PersonNamed", NAMED)
PERSON_PAGE = page_model(PERSON)
CODE = Model(
    "Code",
    {
        "code": words("What to send to the bot, in the chat that is to be theirs", "K7QM-3XPT"),
        "expires_at": moment("Until when it may be used, once"),
    },
)

people = with_models(
    Namespace("people", "Who is told", path="/api/v1/people"),
    PERSON,
    PERSON_WANTED,
    PERSON_NAMED,
    PERSON_PAGE,
    CODE,
)

PARAMETERS = (query.LIMIT, query.CURSOR)


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a PUT."""

    name: str
    role: Role | None = None
    owns: list[str] | None = None


class Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a DELETE."""

    name: str


@people.route("")
class People(Resource):
    """The people."""

    @documented(people, PERSON_PAGE, "A page of people", parameters=PARAMETERS)
    def get(self) -> Response:
        """Everybody who has, or may get, a chat, by name"""
        asked = query.asked(*PARAMETERS)
        return pages.named_page(
            Kept(store().documents).people.all(),
            asked["limit"],
            asked["cursor"],
            listed="people",
            view=lambda _, person: msgspec.to_builtins(person),
        )

    @documented(
        people,
        PERSON,
        "Kept",
        problems=WRITTEN | {400: "The body is not a person; detail says why"},
    )
    @people.expect(PERSON_WANTED)
    def put(self) -> Response:
        """Add a person, or change what one may do

        What is left out stays as it is; of somebody new it is `owner`, of every device.
        """
        query.asked()
        wanted = body_as(Wanted, "a person")
        person = wanted_person(store(), wanted.name, role=wanted.role, owns=wanted.owns)
        Kept(store().documents).people.put(person.name, person)
        return pages.answer(person)

    @documented(
        people,
        PERSON,
        "Forgotten; as it was",
        problems=WRITTEN | {400: "The body names nobody", 404: "There is no such person"},
    )
    @people.expect(PERSON_NAMED)
    def delete(self) -> Response:
        """Forget a person, with their chats and codes"""
        query.asked()
        name = body_as(Named, "the name of a person").name
        return pages.answer(known(remove_person(store(), name), name))


@people.route("/<string:name>/code")
@people.doc(params={"name": {"in": "path", "description": "The person's name"}})
class Codes(Resource):
    """The codes of a person."""

    @documented(people, CODE, "A new code", problems=WRITTEN | {404: "There is no such person"})
    def post(self, name: str) -> Response:
        """Make a code for pairing

        Whoever sends it to the bot within 10 minutes makes that chat the person's. It works once,
        and nobody can tell it afterwards.
        """
        query.asked()
        person = known(Kept(store().documents).people.get(name), name)
        now = now_ms()
        drop_old_codes(store(), now)
        return pages.answer(
            {"code": make_code(store(), person, now_ms=now), "expires_at": now + CODE_MS}
        )


def known(person: Person | None, name: str) -> Person:
    """The person, if there is one. Raises NotFound."""
    if person is None:
        raise NotFound(f"There is nobody called {name[:64]!r}; /api/v1/people lists everybody.")
    return person
