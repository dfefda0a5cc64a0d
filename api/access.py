"""What each route needs: one table, and the only place where a route is opened.

A route that is not in it is refused, whoever asks; so nothing is open because it was forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from fleetpulse.stores.protocols import Scope


class Bound(Enum):
    """What a key of one device may do with a route."""

    NOTHING = auto()  # it tells of other devices too
    OWN = auto()  # the path names a device: that one only
    FILTERED = auto()  # the answer is made for its device only
    ALL = auto()  # it tells of no device


class Budget(Enum):
    """Which limit counts a request."""

    NONE = auto()
    REQUESTS = auto()
    INGEST = auto()
    LOGIN = auto()
    REFUSED = auto()  # keys that open nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a route asks of those who call it."""

    scope: Scope | None  # None: open to everybody
    bound: Bound = Bound.NOTHING
    budget: Budget = Budget.REQUESTS
    is_page: bool = False  # a person without a session is sent to the login
    takes_forms: bool = False  # a write that need not be JSON


OPEN = Need(scope=None, bound=Bound.ALL, budget=Budget.NONE)
PAGE = Need(scope=Scope.READ, bound=Bound.ALL, is_page=True)
SHARED = Need(scope=Scope.READ, bound=Bound.ALL)
LISTED = Need(scope=Scope.READ, bound=Bound.FILTERED)
READ = Need(scope=Scope.READ, bound=Bound.OWN)
ACT = Need(scope=Scope.ACT, bound=Bound.OWN)
FLEET = Need(scope=Scope.READ, bound=Bound.NOTHING)
ACT_ON_ALL = Need(scope=Scope.ACT, bound=Bound.NOTHING)
ADMIN = Need(scope=Scope.ADMIN, bound=Bound.NOTHING)

_DEVICE = "/api/v1/devices/<string:device_id>"

NEEDS: Mapping[str, Mapping[str, Need]] = {
    "/": {"GET": PAGE},
    "/devices/<device_id>": {"GET": PAGE},
    "/people": {"GET": PAGE},
    "/add": {"GET": PAGE},
    "/docs": {"GET": PAGE},
    "/swagger.json": {"GET": SHARED},
    "/static/<path:filename>": {"GET": OPEN},
    "/static/charts/<name>": {"GET": OPEN},
    "/swaggerui/<path:filename>": {"GET": OPEN},
    "/login": {
        "GET": OPEN,
        "POST": Need(scope=None, bound=Bound.ALL, budget=Budget.LOGIN, takes_forms=True),
    },
    "/logout": {
        "POST": Need(scope=None, bound=Bound.ALL, budget=Budget.LOGIN, takes_forms=True),
    },
    "/healthz": {"GET": OPEN},
    "/readyz": {"GET": SHARED},
    "/metrics": {"GET": FLEET},
    "/api/v1/fleet": {"GET": LISTED},
    "/api/v1/devices": {"GET": LISTED},
    _DEVICE: {"GET": READ},
    f"{_DEVICE}/readings": {"GET": READ},
    f"{_DEVICE}/predictions": {"GET": READ},
    f"{_DEVICE}/rules": {"GET": READ, "PUT": ACT},
    f"{_DEVICE}/verdicts": {"PUT": ACT},
    f"{_DEVICE}/acknowledgements": {"PUT": ACT},
    f"{_DEVICE}/key": {"POST": ADMIN},
    f"{_DEVICE}/snooze": {"PUT": ACT, "DELETE": ACT},
    "/api/v1/snoozes": {"GET": FLEET, "PUT": ACT_ON_ALL, "DELETE": ACT_ON_ALL},
    "/api/v1/groups": {"GET": FLEET, "PUT": ACT_ON_ALL, "DELETE": ACT_ON_ALL},
    # Who people are and where they chat is no matter of a wall display's key.
    "/api/v1/people": {"GET": ACT_ON_ALL, "PUT": ADMIN, "DELETE": ADMIN},
    "/api/v1/people/<string:name>/code": {"POST": ADMIN},
    "/api/v1/chats": {"GET": ACT_ON_ALL, "DELETE": ADMIN},
    "/api/v1/chats/<string:target>/test": {"POST": ACT_ON_ALL},  # whoever sees it may see it work
    "/api/v1/alerts": {"GET": LISTED},
    "/api/v1/events": {"GET": LISTED},
    "/api/v1/models": {"GET": SHARED},
    "/api/v1/readings": {
        "POST": Need(scope=Scope.INGEST, bound=Bound.FILTERED, budget=Budget.INGEST)
    },
}


def need_of(rule: str, method: str) -> Need | None:
    """What a route needs; None for one that the table does not have."""
    methods = NEEDS.get(rule, {})
    if method == "OPTIONS":  # tells which methods there are: for whoever may use the first one
        return next(iter(methods.values()), None)
    return methods.get("GET" if method == "HEAD" else method)
