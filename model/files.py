"""A model as bytes and back. The bytes are skops: data and names of known types, never a pickle."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from fleetpulse.errors import ModelError
from model.domain import Ranges
from model.history import Floats

# What a model file may hold beyond numbers, texts and scikit-learn's own public estimators.
TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
_MOST_BYTES_UNPACKED = 256 * 1024 * 1024  # the shipped ones: 1 MB
_SAME_MOMENT = (1980, 1, 1, 0, 0, 0)  # zip's first: the same model gives the same bytes
_ADDRESS = re.compile(r'(?<="__id__": )\d+|\d+(?=\.np[yz])')
_RETRAIN = "make it again with `fleetpulse train`"


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """The models of one rule."""

    chance: HistGradientBoostingClassifier  # that the limit is reached
    seconds: HistGradientBoostingRegressor  # until then, if it is
    calibration: Floats  # [2, points]: the classifier's probability -> how often it was true
    typical: Floats  # [F]: the median of each feature, to explain against
    ranges: Ranges  # where the features were in training
    features: tuple[str, ...]

    @property
    def least(self) -> float:
        """The smallest chance that it ever gives."""
        return float(self.calibration[1, 0])

    def probability(self, features: Floats) -> Floats:
        """The calibrated chance of each row of [n, F]."""
        if not len(features):
            return np.empty(0)
        raw: Floats = self.chance.predict_proba(features)[:, 1]
        calibrated: Floats = np.interp(raw, self.calibration[0], self.calibration[1])
        return calibrated


def dump(model: FittedModel) -> bytes:
    """The model's file; the same model gives the same bytes."""
    content = {
        "chance": model.chance,
        "seconds": model.seconds,
        "calibration": model.calibration,
        "typical": model.typical,
        "ranges": model.ranges.table,
        "features": list(model.features),
        "scikit-learn": sklearn.__version__,
    }
    return _normal(skops.io.dumps(content))


def load(content: bytes, name: str, features: Sequence[str]) -> FittedModel:
    """The model in a file's bytes, if it can be used for these features. Raises ModelError."""
    held = _contents(content, name)
    try:
        model = FittedModel(
            chance=held["chance"],
            seconds=held["seconds"],
            calibration=np.asarray(held["calibration"], dtype=np.float64),
            typical=np.asarray(held["typical"], dtype=np.float64),
            ranges=Ranges(np.asarray(held["ranges"], dtype=np.float64)),
            features=tuple(held["features"]),
        )
        made_with = str(held["scikit-learn"])
    except (KeyError, TypeError, ValueError) as problem:
        raise ModelError(
            f"The model file {name} is not one of fleetpulse: {_RETRAIN}."
        ) from problem
    if _minor(made_with) != _minor(sklearn.__version__):
        raise ModelError(
            f"The model file {name} was made with scikit-learn {made_with}, and this is"
            f" {sklearn.__version__}: {_RETRAIN}."
        )
    if model.features != tuple(features):
        raise ModelError(f"The model file {name} was made for other features: {_RETRAIN}.")
    _try(model, name)
    return model


def _try(model: FittedModel, name: str) -> None:
    """Score one ordinary row: a model that cannot is refused here, not in the middle of a batch."""
    row = model.typical.reshape(1, -1)
    try:
        answers = np.append(model.probability(row), model.seconds.predict(row))
    except Exception as problem:  # whatever a wrongly put together estimator makes of a row
        raise ModelError(f"The model file {name} cannot score: {_RETRAIN}.") from problem
    whole = row.shape[1] == len(model.features) and model.ranges.table.shape == (5, row.shape[1])
    if not whole or not np.isfinite(answers).all():
        raise ModelError(f"The model file {name} cannot score: {_RETRAIN}.")


def _contents(content: bytes, name: str) -> dict[str, Any]:
    _refuse_bloated(content, name)
    try:
        unknown = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED)
    except Exception as problem:  # whatever a hostile or torn file makes of the reader
        raise ModelError(
            f"The model file {name} is not a skops file, or is damaged: {_RETRAIN}."
        ) from problem
    if unknown:
        raise ModelError(
            f"The model file {name} holds types that no model needs"
            f" ({', '.join(sorted(unknown))}) and was not opened: {_RETRAIN}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's version is checked by load()
            held = skops.io.loads(content, trusted=list(TRUSTED))
    except Exception as problem:
        raise ModelError(f"The model file {name} cannot be read: {_RETRAIN}.") from problem
    if not isinstance(held, dict):
        raise ModelError(f"The model file {name} is not one of fleetpulse: {_RETRAIN}.")
    return held


def _refuse_bloated(content: bytes, name: str) -> None:
    """A small file that unpacks into gigabytes is not opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            size_bytes = sum(entry.file_size for entry in file.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as problem:
        raise ModelError(
            f"The model file {name} is not a skops file, or is damaged: {_RETRAIN}."
        ) from problem
    if size_bytes > _MOST_BYTES_UNPACKED:
        raise ModelError(
            f"The model file {name} would unpack into {size_bytes} bytes and was not opened:"
            f" {_RETRAIN}."
        )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _normal(content: bytes) -> bytes:
    """The same skops file without the moment and the memory addresses that it was written with."""
    made = zipfile.ZipFile(io.BytesIO(content))
    schema = made.read("schema.json").decode()
    addresses = dict.fromkeys(_ADDRESS.findall(schema))
    names = {address: str(number) for number, address in enumerate(addresses, start=1)}

    def renamed(text: str) -> str:
        return _ADDRESS.sub(lambda found: names[found[0]], text)

    normal = io.BytesIO()
    with zipfile.ZipFile(normal, "w") as file:
        for name in made.namelist():
            inside = renamed(schema).encode() if name == "schema.json" else made.read(name)
            entry = zipfile.ZipInfo(renamed(name), _SAME_MOMENT)
            file.writestr(entry, inside, zipfile.ZIP_DEFLATED, compresslevel=9)
    return normal.getvalue()
