"""/healthz, /readyz and /metrics: what those who watch the watcher ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from flask_restx import Model, Namespace, Resource, fields

from api import pages
from api.documented import documented, problem_answers, with_models
from api.errors import PROBLEM_TYPE
from api.fields import flag, words
from api.metrics import METRICS_TYPE, metrics_text
from api.parts import now_ms, parts, store
from fleetpulse.errors import StoreError
from fleetpulse.watch import STOPPED

CONSUMER_SILENT_MS = 30_000
CONSUMER_STOPPED_MS = 15_000  # one of several was: within 10 s another says that it is alive

HEALTH = Model("Health", {"status": words("ok: the process answers", "ok", enum=["ok"])})
CHECK = Model(
    "Check",
    {
        "name": words("What was looked at", "consumer", enum=["store", "consumer"]),
        "ok": flag("Whether it is as it should be", True),
        "detail": words("What is missing, and what to do; empty when ok", ""),
    },
)
READINESS = Model(
    "Readiness",
    {
        "ready": flag("Whether everything is as it should be", True),
        "checks": fields.List(
            fields.Nested(CHECK), required=True, description="Each thing that was looked at"
        ),
    },
)

health = with_models(
    Namespace("health", "For those who watch the watcher", path="/"), HEALTH, CHECK, READINESS
)


@health.route("/healthz")
class Healthz(Resource):
    """Is this process up?"""

    @health.doc(security=[])
    @documented(health, HEALTH, "The process answers")
    def get(self) -> Response:
        """Whether this process is up"""
        return pages.answer({"status": "ok"})


@health.route("/readyz")
class Readyz(Resource):
    """Does everything work?"""

    @documented(
        health,
        READINESS,
        "Readings are stored and scored",
        more_answers={503: ("Something is missing; checks say what", READINESS)},
    )
    def get(self) -> Response:
        """Whether the store answers and a consumer is at work"""
        checks = [store_check()]
        if checks[0]["ok"]:
            checks.append(consumer_check())
        readiness = said_ready(checks)
        answer = pages.answer(readiness)
        answer.status_code = 200 if readiness["ready"] else 503
        return answer


@health.route("/metrics")
class Metrics(Resource):
    """Numbers for Prometheus."""

    @health.doc(
        produces=[METRICS_TYPE, PROBLEM_TYPE],
        responses={200: "Numbers in Prometheus' text format", **problem_answers()},
    )
    def get(self) -> Response:
        """Devices by status, open alerts and heartbeats, for Prometheus"""
        return Response(metrics_text(parts()), content_type=METRICS_TYPE)


def said_ready(checks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What /readyz says of these checks."""
    return {"ready": all(check["ok"] for check in checks), "checks": checks}


def not_ready(problems: Mapping[str, str]) -> Mapping[str, Any]:
    """What /readyz says of these problems, by part, before there is an application."""
    return said_ready([failed(part, detail) for part, detail in problems.items()])


def failed(name: str, detail: str) -> Mapping[str, Any]:
    """A check that found something."""
    return {"name": name, "ok": False, "detail": detail}


def store_check() -> Mapping[str, Any]:
    """Whether the store answers."""
    try:
        store().check()
    except StoreError as problem:
        return failed("store", str(problem))
    return {"name": "store", "ok": True, "detail": ""}


def consumer_check() -> Mapping[str, Any]:
    """Whether a consumer has lately said that it is alive."""
    beats = [beat for beat in store().heartbeats.all() if beat.process == "consumer"]
    silent_ms = now_ms() - max((beat.at for beat in beats), default=0)
    if not beats:
        detail = "No consumer has ever run on this store; start one with `fleetpulse consume`."
    elif beats[0].detail == STOPPED and silent_ms >= CONSUMER_STOPPED_MS:
        detail = "The consumer was stopped; start it with `fleetpulse consume`."
    elif silent_ms >= CONSUMER_SILENT_MS:
        detail = f"The consumer has been silent for {silent_ms // 1000} s; look at its log."
    else:
        detail = ""
    return {"name": "consumer", "ok": not detail, "detail": detail}
