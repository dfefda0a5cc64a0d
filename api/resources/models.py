"""/models: the cards of the models, as they were written when each was made."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource, fields

from api import pages, query
from api.callers import only_device
from api.documented import documented, page_model, with_models
from api.fields import count, flag, number, texts, words
from api.parts import parts
from api.track_records import TRACK_RECORD, track_record_field, track_record_view
from fleetpulse.track_record import ModelName, Past
from model.registry import ModelCard

SOURCE = Model(
    "ModelSource",
    {
        "name": words("The data", "thermal simulation"),
        "citation": words("Where it comes from", "fleetpulse, generators/simulated.py"),
        "licence": words("Its licence", "Apache-2.0"),
        "machines": count("Machines in it", 400),
        "rows": count("Readings in it", 288000),
    },
)
CARD = Model(
    "ModelCard",
    {
        "name": words("The rule that it foresees", "heat"),
        "version": words("Its version: day and digest", "2026-11-22-5f2c"),
        "in_use": flag("Whether it is the one that the consumer uses", True),
        "in_shadow": flag("Whether it scores beside that one, and warns nobody", False),
        "signed": flag("Whether it is signed with FLEETPULSE_MODEL_KEY", False),
        "made_at": words("When it was made, ISO 8601, UTC", "2026-11-22T10:00:00Z"),
        "file": words("Its file, beside the card", "heat.skops"),
        "sha256": words("SHA-256 of the file", "5f2c" * 16),
        "size_bytes": count("Size of the file in bytes", 412000),
        "horizon_s": number("How many seconds it looks ahead", 120.0, nullable=False),
        "threshold": number("Probability, 0 to 1, from which on it says soon", 0.6, nullable=False),
        "features": texts("What it looks at, in order", ["temperature_c", "load_pct"]),
        "libraries": fields.Raw(
            description="Versions of the libraries that made it",
            example={"scikit-learn": "1.9.0"},
            required=True,
        ),
        "sources": fields.List(
            fields.Nested(SOURCE), required=True, description="The data it was trained on"
        ),
        "metrics": fields.Raw(
            description="How good it is on data it has not seen; each with its name",
            example={"average_precision": 0.91},
            required=True,
        ),
        "parameters": fields.Raw(
            description="How it was trained", example={"max_iter": 200}, required=True
        ),
        "question": words("What it answers", "Will the temperature reach its limit within 120 s?"),
        "limits": words("What it cannot do", "Machines without a temperature sensor."),
        "track_record": track_record_field(),
    },
)
CARD_PAGE = page_model(CARD)

models = with_models(
    Namespace("models", "What foresees stress", path="/api/v1/models"),
    SOURCE,
    TRACK_RECORD,
    CARD,
    CARD_PAGE,
)


@models.route("")
class Models(Resource):
    """The models."""

    @documented(models, CARD_PAGE, "Every model")
    def get(self) -> Response:
        """The card of every model: its data, metrics and limits, and how often it was right"""
        query.asked()
        registry = parts().registry
        in_use = registry.current()
        shadow = registry.shadowing()
        seen = parts().track_records.past(only_device())
        items = [
            card_view(
                card,
                seen,
                in_use=in_use.get(card.name) == card,
                in_shadow=shadow.get(card.name) == card,
            )
            for card in registry.cards()
        ]
        return pages.answer({"items": items, "next_cursor": None})


def card_view(card: ModelCard, seen: Past, *, in_use: bool, in_shadow: bool) -> dict[str, Any]:
    """A model card as the API shows it, with how often the model was right."""
    shown = msgspec.structs.asdict(card)
    is_signed = bool(shown.pop("signature"))
    record = track_record_view(seen, ModelName(card.name, card.version))
    roles = {"in_use": in_use, "in_shadow": in_shadow, "signed": is_signed}
    return shown | roles | {"track_record": record}
