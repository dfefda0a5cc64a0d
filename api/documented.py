"""How a route is written down for Swagger: its parameters, its answer, and what can go wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flask_restx import Model, Namespace, fields

from api.errors import PROBLEM_TYPE
from api.fields import MaybeString, words
from api.query import Parameter

Method = TypeVar("Method", bound=Callable[..., Any])

PROBLEM = Model(
    "Problem",
    {
        "type": words(
            "Which problem, as a stable name for programs", "urn:fleetpulse:unknown-device"
        ),
        "title": words("The problem in a few words", "Unknown device"),
        "status": fields.Integer(description="HTTP status", example=404, required=True),
        "detail": words("What is wrong, and what to do", "There is no device called 'pi-cellar'."),
        "instance": words("The path that was asked", "/api/v1/devices/pi-cellar"),
        "errors": fields.List(
            fields.Raw,
            description="The first wrong readings of a body: index, cause and detail",
            example=[{"index": 3, "cause": "missing-field", "detail": "kind is required"}],
        ),
        "parameter": fields.String(
            description="The wrong parameter, if it was one", example="limit"
        ),
    },
)

_ALWAYS = {
    400: "A parameter is wrong; detail and parameter say which",
    401: "A key is needed, or the one that came opens nothing",
    403: "The key may not do this; or the request names another host, or is of another site's page",
    429: "Too many requests with this key, or from this address; see Retry-After",
    500: "A bug; the server's log says what happened",
    503: "The store does not answer, or asks for time (then with Retry-After)",
}
DEVICE_IN_PATH = {
    "device_id": {
        "in": "path",
        "description": "Name of the device",
        "pattern": "^[A-Za-z0-9._-]{1,64}$",
    }
}
WRITTEN = {413: "The body is too large", 415: "The body is not application/json"}
UNKNOWN_DEVICE = {404: "No reading of this device was ever stored"}


def documented(
    namespace: Namespace,
    answer: Model,
    says: str,
    *,
    parameters: Sequence[Parameter] = (),
    status: int = 200,
    problems: dict[int, str] | None = None,
    more_answers: dict[int, tuple[str, Model]] | None = None,
) -> Callable[[Method], Method]:
    """A decorator that writes down a method: its answer when all is well, and every problem."""
    responses: dict[int, tuple[str, Model]] = {status: (says, answer)}
    responses |= problem_answers(problems) | (more_answers or {})
    note: Callable[[Method], Method] = namespace.doc(
        params={parameter.name: parameter.documented() for parameter in parameters},
        responses=responses,
        produces=["application/json", PROBLEM_TYPE],
    )
    return note


def problem_answers(problems: dict[int, str] | None = None) -> dict[int, tuple[str, Model]]:
    """What any route may answer when it does not do what was asked."""
    return {code: (why, PROBLEM) for code, why in (_ALWAYS | (problems or {})).items()}


def with_models(namespace: Namespace, *models: Model) -> Namespace:
    """The namespace, knowing its models and the one of problems."""
    for model in (PROBLEM, *models):
        namespace.add_model(model.name, model)
    return namespace


def page_model(item: Model, **more: fields.Raw) -> Model:
    """The model of a page of such items."""
    return Model(
        f"{item.name}Page",
        {
            "items": fields.List(
                fields.Nested(item), required=True, description="The items of this page"
            ),
            "next_cursor": MaybeString(
                required=True,
                description="Give it as cursor to get the next page; null: this was the last",
                example="WyJkZXZpY2VzIiwicGMxIl0",
            ),
            **more,
        },
    )
