"""The body of a request, as a value of one kind."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from flask import request
from werkzeug.exceptions import BadRequest

Body = TypeVar("Body", bound=msgspec.Struct)


def body_as(kind: type[Body], what: str) -> Body:
    """The body of this request; what: which it should be, as "a verdict".

    Raises BadRequest that names the wrong field.
    """
    try:
        return msgspec.json.decode(request.get_data(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise BadRequest(f"The body is not {what}: {problem}.") from problem
