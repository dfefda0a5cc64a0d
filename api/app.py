"""The Flask application: the REST resources, Swagger, the dashboard, and the guard before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, render_template
from flask_restx import Api
from werkzeug.middleware.proxy_fix import ProxyFix

import fleetpulse
from api import errors, parts, security
from api.dashboard import dashboard
from api.door import Door
from api.login import login
from api.publish import Publisher
from api.resources.acknowledgements import acknowledgements
from api.resources.alerts import alerts
from api.resources.chats import chats
from api.resources.devices import devices
from api.resources.events import events
from api.resources.fleet import fleet
from api.resources.groups import groups
from api.resources.health import health
from api.resources.ingest import ingest
from api.resources.joining import joining
from api.resources.models import models
from api.resources.people import people
from api.resources.predictions import predictions
from api.resources.readings import readings
from api.resources.rules import rules
from api.resources.snoozes import snoozes
from api.resources.verdicts import verdicts
from api.track_records import TrackRecords
from fleetpulse.clock import Clock
from fleetpulse.settings import Retention
from fleetpulse.stores.protocols import Store
from model.registry import Registry

NAMESPACES = (
    fleet,
    devices,
    joining,
    readings,
    predictions,
    rules,
    alerts,
    verdicts,
    acknowledgements,
    snoozes,
    groups,
    people,
    chats,
    events,
    ingest,
    models,
    health,
)
LARGEST_BODY_BYTES = 64 * 1024
LOCAL_DOOR = Door()
DEFAULT_RETENTION = Retention()
AUTHORIZATIONS = {
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A key, fp_…; `fleetpulse keys create` makes one. Not needed on the machine"
        " that the API runs on.",
    }
}


def create_app(
    store: Store,
    registry: Registry,
    *,
    clock: Clock,
    interval_s: float,
    door: Door = LOCAL_DOOR,
    publisher: Publisher,
    retention: Retention = DEFAULT_RETENTION,
    chat_url: str | None = None,
) -> Flask:
    """The application.

    interval_s: how often devices send; one that is silent for six intervals is unknown.
    door: where it listens and whom it answers; the default is this machine only.
    publisher: where readings go that come over HTTP.
    retention: how long each resolution is kept, so that `auto` asks for none that is gone.
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
            publisher=publisher,
            retention=retention,
            track_records=TrackRecords(store, clock),
        ),
    )
    if door.proxies:
        # Who asks, for the limits; nothing else that a proxy adds is believed.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=door.proxies, x_proto=0, x_host=0
        )
    security.guard(app, door)
    errors.handle_errors(app)
    # Before the API: Flask-RESTX claims "/" too, and the first one to ask for it has it.
    app.register_blueprint(dashboard())
    app.register_blueprint(login())
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
        authorizations=AUTHORIZATIONS,
        security="key",
    )
    # Our own page: Flask-RESTX's has its script within the HTML, which our content policy forbids.
    api.documentation(lambda: render_template("docs.html"))
    for namespace in NAMESPACES:
        api.add_namespace(namespace)
