# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Measures who asks whom for what: requests that reach Invenio, and requests that anybody sends to the store.

Each process appends lines of JSON to one file; a line is written at once, so that lines of several processes never mix.
Routes and operations are kept, not addresses: an address may hold an upload id or a signature.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from wsgiref.types import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

from flask import has_request_context, request

from oarepo_s3.store.client import S3Client

from . import settings

ROUTE = "oarepo_s3_demo.route"
"""Key of the WSGI environment under which the application says which route it has chosen."""

_SPEECH = (
    "application/javascript",
    "application/json",
    "application/x-www-form-urlencoded",
    "text/css",
    "text/html",
    "text/javascript",
)
"""Media types of what Invenio and its clients say themselves; a body of any other type, or of none, holds a file."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        server: ``invenio`` or ``store``.
        client: who asked, as in the ``User-Agent`` header of the request that it was done for.
        request: route or operation.
        received: bytes of the request's body.
        sent: bytes of the answer's body.
        file_bytes: how many of both belong to a file.
    """

    server: str
    client: str
    request: str
    received: int = 0
    sent: int = 0
    file_bytes: int = 0


class TrafficLog:
    """The file with the exchanges."""

    def __init__(self, path: Path) -> None:
        """Use the file at ``path``; it need not exist yet."""
        self._path = path

    def write(self, exchange: Exchange) -> None:
        """Append an exchange."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, json.dumps(asdict(exchange)).encode() + b"\n")
        finally:
            os.close(descriptor)

    def read(self) -> list[Exchange]:
        """Return all exchanges so far."""
        if not self._path.exists():
            return []
        return [Exchange(**json.loads(line)) for line in self._path.read_text(encoding="utf-8").splitlines()]


class _CountedInput:
    """The body of a request; counts what the application reads of it."""

    def __init__(self, stream: InputStream | BufferedIOBase) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        return self._counted(self._stream.read(size))

    def readline(self, size: int = -1, /) -> bytes:
        return self._counted(self._stream.readline(size))

    def readlines(self, hint: int = -1, /) -> list[bytes]:
        return [self._counted(line) for line in self._stream.readlines(hint)]

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            yield self._counted(line)

    def _counted(self, data: bytes) -> bytes:
        self.count += len(data)
        return data


class TrafficMeter:
    """WSGI middleware that counts requests and the bytes of bodies both ways."""

    def __init__(self, application: WSGIApplication, log: TrafficLog) -> None:
        """Wrap the application."""
        self._application = application
        self._log = log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        """Serve a request and log it once its answer is sent or given up."""
        incoming = environ["wsgi.input"] = _CountedInput(environ["wsgi.input"])
        # A whole file would be sent behind our back.
        environ.pop("wsgi.file_wrapper", None)
        media_type = answered = ""

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            nonlocal media_type, answered
            answered = status
            media_type = next((value for name, value in headers if name.lower() == "content-type"), "")
            return start_response(status, headers, *exc_info)

        sent = 0
        answer: Iterable[bytes] = self._application(environ, start)
        try:
            for chunk in answer:
                sent += len(chunk)
                yield chunk
        finally:
            if hasattr(answer, "close"):
                answer.close()
            environ.setdefault(ROUTE, f"(no route: {answered})")
            self._write(environ, incoming.count, sent, media_type)

    def _write(self, environ: WSGIEnvironment, received: int, sent: int, media_type: str) -> None:
        file_bytes = (0 if _is_speech(environ.get("CONTENT_TYPE", "")) else received) + (
            0 if _is_speech(media_type) else sent
        )
        route = f"{environ['REQUEST_METHOD']} {environ[ROUTE]}"
        client = environ.get("HTTP_USER_AGENT", "")
        self._log.write(Exchange("invenio", client, route, received, sent, file_bytes))


class MeteredS3Client(S3Client):
    """The client of the store as ``S3_CLIENT`` names it in the demo: logs each request, repeated ones too."""

    def _build(self, read_timeout: float, attempts: int, max_connections: int) -> Any:
        client = super()._build(read_timeout, attempts, max_connections)
        log = TrafficLog(settings.load().path("traffic.log"))

        def observe(event_name: str, **_: Any) -> None:
            client_name = request.headers.get("User-Agent", "") if has_request_context() else "task"
            log.write(Exchange("store", client_name, event_name.rpartition(".")[2]))

        client.meta.events.register("before-send.s3", observe)
        return client


def _is_speech(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in _SPEECH
