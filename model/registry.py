"""Where model files and their cards are kept. Needs neither numpy nor scikit-learn."""

from __future__ import annotations

from pathlib import Path

from fleetpulse.errors import ModelError
from fleetpulse.secrets import AwsKeys, Secret
from model.registry_cards import Choice, ModelCard, ModelRegistry, Promotion, Registry, Source
from model.registry_folder import FolderRegistry
from model.registry_objects import PublishedModels
from model.registry_seal import Seal

__all__ = [
    "SHIPPED",
    "Choice",
    "FolderRegistry",
    "ModelCard",
    "ModelRegistry",
    "Promotion",
    "Registry",
    "Source",
    "open_registry",
]

SHIPPED = Path(__file__).parent / "exported_models"


def open_registry(
    url: str | None = None, *, aws: AwsKeys | None = None, key: Secret | None = None
) -> ModelRegistry:
    """The registry at `url`; None: the models that are shipped. Nothing is asked of it yet.

    url: as FLEETPULSE_MODELS in docs/settings.md. aws: None for boto3's own chain; boto3 is
    imported only for S3. key: what models are signed with; the shipped ones are not. Raises
    ModelError for an address that is not one.
    """
    if url is None:
        return FolderRegistry(SHIPPED)
    scheme, _, place = url.partition(":")
    if scheme == "dir" and place:
        return FolderRegistry(Path(place), Seal(key))
    if scheme == "s3":
        from model.registry_s3 import s3_objects

        return PublishedModels(s3_objects(url, aws), Seal(key))
    raise ModelError(
        "The address of the models must look like dir:FOLDER or s3://BUCKET/PREFIX; correct"
        " FLEETPULSE_MODELS."
    )
