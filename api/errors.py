"""Every error as `application/problem+json` (RFC 9457): one table, and one place that answers.

Flask-RESTX would answer errors of its own routes itself and lose the content type, so `app.py`
sends all of them here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, UnprocessableEntity

from fleetpulse import errors

PROBLEM_TYPE = "application/problem+json"
BROKER_RETRY_S = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error is over HTTP."""

    status: HTTPStatus
    code: str  # short and stable, for programs
    title: str


PROBLEMS: Mapping[type[errors.FleetpulseError], Problem] = {
    errors.SettingsError: Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "wrong-settings", "The server is misconfigured"
    ),
    errors.StartError: Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "cannot-start", "Something the server needs is missing"
    ),
    errors.DecodeError: Problem(HTTPStatus.BAD_REQUEST, "cannot-decode", "Not a reading"),
    errors.DataError: Problem(HTTPStatus.BAD_REQUEST, "data-unusable", "Data cannot be used"),
    errors.ModelError: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "model-unusable", "A model cannot be used"
    ),
    errors.UnknownDevice: Problem(HTTPStatus.NOT_FOUND, "unknown-device", "Unknown device"),
    errors.UnknownRule: Problem(HTTPStatus.NOT_FOUND, "unknown-rule", "Unknown rule"),
    errors.UnknownAlert: Problem(HTTPStatus.NOT_FOUND, "unknown-alert", "Unknown alert"),
    errors.InvalidWish: Problem(HTTPStatus.BAD_REQUEST, "invalid-wish", "This cannot be"),
    errors.GroupInUse: Problem(HTTPStatus.CONFLICT, "group-in-use", "The group is used"),
    errors.InvalidRule: Problem(HTTPStatus.BAD_REQUEST, "invalid-rule", "The rule cannot work"),
    errors.BrokerError: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "broker-failed", "Kafka did not do what it was asked"
    ),
    errors.BrokerAway: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "broker-away", "Kafka does not answer"
    ),
    errors.SchemaError: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "schema-registry-failed",
        "The schema registry gives no schema id",
    ),
    errors.StoreError: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-failed", "The store failed"),
    errors.StoreAway: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "store-away", "The store does not answer"
    ),
    errors.StoreBusy: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-busy", "The store is busy"),
    errors.NotifyError: Problem(
        HTTPStatus.BAD_GATEWAY, "not-delivered", "A channel did not take the message"
    ),
}


class InvalidParameter(BadRequest):
    """A parameter of the request is wrong; the message names it."""

    def __init__(self, parameter: str, wrong: str) -> None:
        super().__init__(f"{parameter} {wrong}")
        self.parameter = parameter


class InvalidReadings(UnprocessableEntity):
    """Readings of a body can never be stored; `faults` are the first ones."""

    def __init__(self, count: int, faults: Sequence[Mapping[str, object]]) -> None:
        super().__init__(f"{count} of the readings can never be stored; none was taken.")
        self.faults = faults


def handle_errors(app: Flask) -> None:
    """Have every error of `app` answered as a problem document."""
    for kind in PROBLEMS:
        app.register_error_handler(kind, _known)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _known(error: errors.FleetpulseError) -> Response:
    problem = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("%s: %s path=%s", problem.title, error, request.path)
    answer = _answer(problem.status, f"urn:fleetpulse:{problem.code}", problem.title, str(error))
    wait_s = retry_after_s(error)
    if wait_s is not None:
        answer.headers["Retry-After"] = str(wait_s)
    return answer


def retry_after_s(error: errors.FleetpulseError) -> int | None:
    """After how many seconds the same request may work; None: nobody knows."""
    if isinstance(error, errors.StoreBusy):
        return max(1, round(error.retry_after_s))
    return BROKER_RETRY_S if isinstance(error, errors.BrokerError) else None


def _http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if isinstance(error, InvalidParameter):
        answer = _answer(
            status,
            "urn:fleetpulse:invalid-parameter",
            "A parameter is wrong",
            error.description or "",
            parameter=error.parameter,
        )
    elif isinstance(error, InvalidReadings):
        answer = _answer(
            status,
            "urn:fleetpulse:invalid-readings",
            "Not readings",
            error.description or "",
            errors=error.faults,
        )
    else:
        answer = _answer(status, "about:blank", status.phrase, error.description or status.phrase)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            answer.headers[name] = value  # such as Allow
    return answer


def _unexpected(error: Exception) -> Response:
    _log.exception("Request failed: method=%s path=%s", request.method, request.path)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _answer(
        status, "about:blank", status.phrase, "Something failed here; the server's log says what."
    )


def _answer(status: HTTPStatus, kind: str, title: str, detail: str, **more: Any) -> Response:
    document = {
        "type": kind,
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": request.path,
    }
    return Response(msgspec.json.encode(document | more), status=status, content_type=PROBLEM_TYPE)
