"""The Flask application: the REST resources, Swagger, the dashboard, and the guard before them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from flask import Flask, render_template
from flask_restx import Api

import fleetpulse
from api import errors, parts, security
from api.dashboard import dashboard
from api.resources.alerts import alerts
from api.resources.devices import devices
from api.resources.events import events
from api.resources.fleet import fleet
from api.resources.health import health
from api.resources.models import models
from api.resources.predictions import predictions
from api.resources.readings import readings
from api.resources.rules import rules
from fleetpulse.clock import Clock
from fleetpulse.stores.protocols import Store
from model.registry import Registry

NAMESPACES = (fleet, devices, readings, predictions, rules, alerts, events, models, health)
LARGEST_BODY_BYTES = 64 * 1024


def create_app(
    store: Store,
    registry: Registry,
    *,
    clock: Clock,
    interval_s: float,
    allowed_hosts: Collection[str] = (),
    chat_url: str | None = None,
) -> Flask:
    """The application.

    interval_s: how often devices send; one that is silent for six intervals is unknown.
    allowed_hosts: names that it answers to besides loopback ones.
    chat_url: where the local chat page is, for a link on the dashboard.
    """
    app = Flask("api", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=LARGEST_BODY_BYTES,
        RESTX_INCLUDE_ALL_MODELS=True,
        RESTX_MASK_SWAGGER=False,
    )
    parts.install(
        app,
        parts.Parts(
            store=store,
            registry=registry,
            clock=clock,
            interval_s=interval_s,
            chat_url=chat_url,
        ),
    )
    security.guard(app, allowed_hosts)
    errors.handle_errors(app)
    # Before the API: Flask-RESTX claims "/" too, and the first one to ask for it has it.
    app.register_blueprint(dashboard())
    _mount_api(app)
    return app


class PlainApi(Api):
    """Flask-RESTX's Api that leaves every error to the handlers of the application."""

    def error_router(self, original_handler: Callable[[Exception], Any], e: Exception) -> Any:
        return original_handler(e)


def _mount_api(app: Flask) -> None:
    api = PlainApi(
        app,
        version=fleetpulse.__version__,
        title="fleetpulse",
        description="Readings, predictions and alerts of a fleet of PCs and Raspberry Pis."
        " Times are Unix milliseconds, UTC; a channel that a machine lacks is null, never 0.",
        doc="/docs",
    )
    # Our own page: Flask-RESTX's has its script within the HTML, which our content policy forbids.
    api.documentation(lambda: render_template("docs.html"))
    for namespace in NAMESPACES:
        api.add_namespace(namespace)
