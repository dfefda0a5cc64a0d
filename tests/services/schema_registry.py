"""A schema registry: the calls of Confluent's REST API that its clients make, over real HTTP.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
It keeps its schemas while it is down, and comes back on the same port. Of compatibility it knows
what matters for flat objects, by the names that Confluent's registry gives the differences.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.services.ports import free_ports

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
Document = Mapping[str, Any]


class Refusal(Exception):
    """An answer other than 200; the code is the HTTP status, or begins with it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(str(self.code)[:3])


@dataclass(frozen=True)
class Schema:
    """What was registered."""

    text: str
    kind: str = "AVRO"

    def as_json(self) -> dict[str, Any]:
        """As the REST API writes it: AVRO goes without saying."""
        return {"schema": self.text} | ({} if self.kind == "AVRO" else {"schemaType": self.kind})


@dataclass
class Content:
    """What a registry knows, and how it is asked for."""

    schemas: list[Schema] = field(default_factory=list)  # an id is the place, from 1 on
    subjects: dict[str, list[int]] = field(default_factory=dict)  # ids of the versions
    levels: dict[str, str] = field(default_factory=dict)
    login: str | None = None  # user:password
    may_register: bool = True
    answer_after_s: float = 0.0
    asked: list[str] = field(default_factory=list)  # method and path
    hurry: threading.Event = field(default_factory=threading.Event)  # set: answer at once

    def register(self, subject: str, schema: Schema) -> int:
        """The id of a schema, after making it the newest of a subject."""
        if not self.may_register:
            raise Refusal(40301, "User is denied operation Write on Subject")
        ids = self.subjects.setdefault(subject, [])
        known = {self.schemas[number - 1]: number for number in ids}
        if schema in known:
            return known[schema]
        found = self.incompatibilities(subject, schema)
        if found:
            raise Refusal(
                409,
                "Schema being registered is incompatible with an earlier schema for subject"
                f' "{subject}", details: {found}',
            )
        ids.append(self.keep(schema))
        return ids[-1]

    def keep(self, schema: Schema) -> int:
        """Give a schema an id; the same one has the same id everywhere."""
        if schema.kind == "JSON":
            _parsed(schema)
        if schema not in self.schemas:
            self.schemas.append(schema)
        return self.schemas.index(schema) + 1

    def found(self, number: int) -> Schema:
        """The schema of an id."""
        if not 1 <= number <= len(self.schemas):
            raise Refusal(40403, f"Schema {number} not found")
        return self.schemas[number - 1]

    def versions(self, subject: str) -> list[int]:
        """The ids of a subject, oldest first."""
        if not self.subjects.get(subject):
            raise Refusal(40401, f"Subject '{subject}' not found.")
        return self.subjects[subject]

    def level(self, subject: str) -> str:
        """How compatible a subject's versions must be."""
        return self.levels.get(subject, "BACKWARD")

    def incompatibilities(self, subject: str, schema: Schema) -> list[str]:
        """Why a schema may not follow the newest of a subject."""
        ids = self.subjects.get(subject)
        if not ids or self.level(subject) == "NONE":
            return []
        newest = self.schemas[ids[-1] - 1]
        if (newest.kind, schema.kind) != ("JSON", "JSON"):
            return [] if newest.kind == schema.kind else ["SCHEMA_TYPE_CHANGED"]
        old, new = _parsed(newest), _parsed(schema)
        backward, forward = incompatibilities(old, new), incompatibilities(new, old)
        return {"BACKWARD": backward, "FORWARD": forward, "FULL": backward + forward}[
            self.level(subject)
        ]


def incompatibilities(old: Document, new: Document) -> list[str]:
    """Why a reader of `new` may not understand what was written as `old`."""
    before, after = old.get("properties", {}), new.get("properties", {})
    was_open, is_open = (one.get("additionalProperties", True) is not False for one in (old, new))
    added, removed = after.keys() - before.keys(), before.keys() - after.keys()
    required = set(new.get("required", ())) - set(old.get("required", ()))
    found = []
    if was_open:
        found += [f"PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL {name}" for name in added]
    if was_open and not is_open:
        found.append("ADDITIONAL_PROPERTIES_REMOVED")
    if not is_open:
        found += [f"PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL {name}" for name in removed]
    found += [f"REQUIRED_ATTRIBUTE_ADDED {name}" for name in required]
    narrowed = (name for name in before.keys() & after.keys() if _lost(before[name], after[name]))
    return sorted(found + [f"TYPE_NARROWED {name}" for name in narrowed])


def _lost(before: Document, after: Document) -> set[str]:
    """The types that a property might have had and may no longer have."""
    old, new = (
        {types} if isinstance(types := one.get("type", []), str) else set(types)
        for one in (before, after)
    )
    return set() if not new else old - new - ({"integer"} if "number" in new else set())


def _parsed(schema: Schema) -> Document:
    try:
        document = json.loads(schema.text)
    except ValueError:
        raise Refusal(42201, "Invalid schema") from None
    if not isinstance(document, dict):
        raise Refusal(42201, "Invalid schema")
    return document


class SchemaRegistry:
    """The registry's server, in threads of this process."""

    def __init__(self, *, login: str | None = None) -> None:
        """login: user:password that everybody must give."""
        self.content = Content(login=login)
        self._port = free_ports(1)[0]
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SchemaRegistry:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Answer, with what is known from before."""
        self.content.hurry.clear()
        handler = partial(_Handler, self.content)
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Be down: connections are refused."""
        if self._server is None or self._thread is None:
            return
        self.content.hurry.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Be down for the length of a block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Answer that late for the length of a block."""
        self.content.answer_after_s = seconds
        try:
            yield
        finally:
            self.content.answer_after_s = 0.0


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, content: Content, *arguments: Any) -> None:
        self._content = content
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self._content.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._content.hurry.wait(self._content.answer_after_s)
        try:
            self._let_in()
            words = [unquote(word) for word in path.strip("/").split("/")]
            status, document = 200, self._document(words, json.loads(body or b"{}"))
        except Refusal as refusal:
            status, document = refusal.status, {"error_code": refusal.code, "message": str(refusal)}
        content = json.dumps(document).encode()
        with contextlib.suppress(ConnectionError):  # who asked waits no longer
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def _let_in(self) -> None:
        if self._content.login is not None:
            expected = base64.b64encode(self._content.login.encode()).decode()
            if self.headers.get("Authorization") != f"Basic {expected}":
                raise Refusal(401, "HTTP 401 Unauthorized")

    def _document(self, words: list[str], body: Document) -> Any:
        content = self._content
        match self.command, *words:
            case "POST", "subjects", subject, "versions":
                return {"id": content.register(subject, _schema_of(body))}
            case "POST", "subjects", subject:
                return self._looked_up(subject, _schema_of(body))
            case "GET", "subjects":
                return sorted(content.subjects)
            case "GET", "subjects", subject, "versions":
                return list(range(1, len(content.versions(subject)) + 1))
            case "GET", "subjects", subject, "versions", version:
                return self._version(subject, version)
            case "GET", "schemas", "ids", number:
                return content.found(int(number)).as_json()
            case "POST", "compatibility", "subjects", subject, "versions", *_:
                found = content.incompatibilities(subject, _schema_of(body))
                return {"is_compatible": not found, "messages": found}
            case "GET", "config", *subject:
                return {"compatibilityLevel": content.level("".join(subject))}
            case "PUT", "config", subject:
                content.levels[subject] = body["compatibility"]
                return {"compatibility": body["compatibility"]}
        raise Refusal(404, "HTTP 404 Not Found")

    def _looked_up(self, subject: str, schema: Schema) -> Document:
        ids = self._content.versions(subject)
        for version, number in enumerate(ids, start=1):
            if self._content.found(number) == schema:
                return self._version(subject, str(version))
        raise Refusal(40403, "Schema not found")

    def _version(self, subject: str, version: str) -> Document:
        ids = self._content.versions(subject)
        number = len(ids) if version == "latest" else int(version)
        if not 1 <= number <= len(ids):
            raise Refusal(40402, f"Version {version} not found.")
        schema_id = ids[number - 1]
        place = {"subject": subject, "version": number, "id": schema_id}
        return place | self._content.found(schema_id).as_json()


def _schema_of(body: Document) -> Schema:
    return Schema(str(body["schema"]), str(body.get("schemaType", "AVRO")))
