"""The dashboard: one page that draws what /api/v1 says; its script and style have no build step."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from flask import Blueprint, Response, abort, render_template, send_from_directory

from api.callers import caller
from api.parts import parts
from fleetpulse.errors import StartError
from fleetpulse.stores.protocols import Scope

CHART_FILES = frozenset({"uPlot.iife.js", "uPlot.min.css"})


def dashboard() -> Blueprint:
    """The page at `/`, `/devices/<id>`, `/people` and `/add`, its and the chart library's files."""
    pages = Blueprint(
        "dashboard",
        __name__,
        static_folder="static",
        static_url_path="/static",
        template_folder="templates",
    )
    charts = chart_folder()

    @pages.get("/", endpoint="index")
    @pages.get("/devices/<device_id>", endpoint="device")
    @pages.get("/people", endpoint="people")
    @pages.get("/add", endpoint="add")
    def page(device_id: str | None = None) -> str:
        asking = caller()
        return render_template(
            "index.html",
            chat_url=parts().chat_url,
            logged_in=asking.key is not None,
            scopes=" ".join(scope for scope in Scope if asking.may(scope)),
            only_device=asking.device_id is not None,
        )

    @pages.get("/static/charts/<name>")
    def chart_file(name: str) -> Response:
        if name not in CHART_FILES:
            abort(404)
        return send_from_directory(charts, name)

    return pages


def chart_folder() -> Path:
    """Where uPlot's files are. The package is found, not imported: it would bring in numpy."""
    found = importlib.util.find_spec("uplot")
    if found is None or not found.submodule_search_locations:
        raise StartError("The package uplot-python is missing; install fleetpulse[api].")
    return Path(found.submodule_search_locations[0]) / "static"
