# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A proxy in front of the store that knows S3's calls and can spoil any of them.

It runs in threads of the test's own process. Requests pass through as they are, Host header included, so that their
signatures stay good. What is to happen to the n-th call of a kind is injected; see :meth:`FaultProxy.inject`.
"""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

WAIT_SECONDS = 60.0
"""Longest time that anything here waits for anything."""

_NOT_PASSED_ON = {"connection", "transfer-encoding", "keep-alive", "expect"}


class Operation(StrEnum):
    """A call of the S3 API."""

    CREATE = "create"
    PUT_PART = "put part"
    LIST_PARTS = "list parts"
    COMPLETE = "complete"
    ABORT = "abort"
    HEAD = "head"
    DELETE = "delete"
    LIST_UPLOADS = "list uploads"
    OTHER = "other"


def operation_of(method: str, target: str) -> Operation:
    """Tell the call by its method and query."""
    query = parse_qs(urlsplit(target).query, keep_blank_values=True)
    if "uploads" in query:
        return {"POST": Operation.CREATE, "GET": Operation.LIST_UPLOADS}.get(method, Operation.OTHER)
    if "uploadId" in query:
        of_upload = {
            "PUT": Operation.PUT_PART,
            "GET": Operation.LIST_PARTS,
            "POST": Operation.COMPLETE,
            "DELETE": Operation.ABORT,
        }
        return of_upload[method]
    return {"HEAD": Operation.HEAD, "DELETE": Operation.DELETE}.get(method, Operation.OTHER)


@dataclass
class Response:
    """What the store has answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def set_body(self, body: bytes) -> None:
        """Replace the body."""
        self.body = body
        self.headers = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        self.headers.append(("Content-Length", str(len(body))))


@dataclass(eq=False)
class Injection:
    """What is to happen to some calls, and what did."""

    behaviour: "Behaviour"
    operation: Operation | None
    skip: int
    times: int
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    cut: bool = False
    """Whether a held call is cut when it is released."""
    ports: list[int] = field(default_factory=list)
    """Client's port of each call that it happened to."""

    @property
    def count(self) -> int:
        """How many calls it happened to."""
        return len(self.ports)

    def wait_reached(self) -> int:
        """Wait until the first call is here, and return the port that it came from."""
        if not self.reached.wait(WAIT_SECONDS):
            raise AssertionError(f"there was no call to hold: {self.operation}")
        return self.ports[0]

    def release(self, *, cut: bool = False) -> None:
        """Let the held calls go on, or cut their connections."""
        self.cut = cut
        self.released.set()


class Cut(Exception):  # noqa: N818 - no error: this is how a connection ends here
    """The connection to the client is to be closed without an answer."""


class Exchange:
    """One request, and the means to answer it well or badly."""

    def __init__(self, proxy: "FaultProxy", handler: "_Handler", body: bytes, injection: Injection | None) -> None:
        self._proxy = proxy
        self._handler = handler
        self._body = body
        self._response: Response | None = None
        self.injection = injection

    def forward(self) -> Response:
        """Ask the store, once; raise Cut where it is not there."""
        if self._response is None:
            self._response = self._proxy.ask_store(self._handler, self._body)
        return self._response

    def answer(self, response: Response) -> None:
        """Give the client an answer."""
        self._handler.relay(response)

    def answer_error(self, status: int, code: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Give the client an error of S3."""
        document = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'
        response = Response(status, [("Content-Type", "application/xml"), *headers], b"")
        response.set_body(b"" if self._handler.command == "HEAD" else document.encode())
        self.answer(response)

    def hold(self) -> None:
        """Wait until the test lets it go on; raise Cut if it says so."""
        assert self.injection is not None
        self.injection.reached.set()
        if not self.injection.released.wait(WAIT_SECONDS) or self.injection.cut:
            raise Cut


Behaviour = Callable[[Exchange], None]


class FaultProxy:
    """The proxy; ``with FaultProxy(port) as proxy``."""

    def __init__(self, store_port: int) -> None:
        self._store_port = store_port
        self._lock = threading.Lock()
        self._injections: list[Injection] = []
        self._busy: Counter[Operation] = Counter()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def endpoint(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT_SECONDS)

    @contextmanager
    def inject(
        self, behaviour: Behaviour, operation: Operation | None = None, *, skip: int = 0, times: int = 1
    ) -> Iterator[Injection]:
        """Let the next ``times`` calls of a kind, after ``skip`` of them, be handled by the behaviour."""
        injection = Injection(behaviour, operation, skip, times)
        with self._lock:
            self._injections.append(injection)
        try:
            yield injection
        finally:
            with self._lock:
                self._injections.remove(injection)
            injection.release(cut=injection.cut)

    def begin(self, operation: Operation, port: int) -> Injection | None:
        """Note a call, and say what is to happen to it."""
        with self._lock:
            self._busy[operation] += 1
            for injection in self._injections:
                if injection.operation not in (None, operation) or injection.count >= injection.times:
                    continue
                if injection.skip:
                    injection.skip -= 1
                    continue
                injection.ports.append(port)
                return injection
        return None

    def busy(self, operation: Operation) -> int:
        """How many calls of a kind are under way."""
        with self._lock:
            return self._busy[operation]

    def wait_idle(self) -> None:
        """Wait until no call is under way any more, such as one that reaches the store too late."""
        deadline = time.monotonic() + WAIT_SECONDS
        while any(self.busy(operation) for operation in Operation):
            assert time.monotonic() < deadline, "calls to the store have no end"
            time.sleep(0.02)

    def finish(self, operation: Operation) -> None:
        """Note that a call is over."""
        with self._lock:
            self._busy[operation] -= 1

    def ask_store(self, handler: "_Handler", body: bytes) -> Response:
        """Pass the request on over a connection of its own; one to a store that was restarted would be dead."""
        connection = http.client.HTTPConnection("127.0.0.1", self._store_port, timeout=WAIT_SECONDS)
        try:
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() not in _NOT_PASSED_ON:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _NOT_PASSED_ON]
            response = Response(answer.status, kept, content)
            if handler.command != "HEAD":
                response.set_body(content)
            return response
        except (OSError, http.client.HTTPException) as error:
            raise Cut from error
        finally:
            connection.close()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    proxy: FaultProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 300
    server: _Server

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client has gone: it was killed, or has waited long enough
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        """Let the client go on at once; what is written stays in a buffer until it is flushed."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def handle_one_call(self) -> None:
        proxy, operation = self.server.proxy, operation_of(self.command, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the client has gone; passed on, the store would wait for the rest
            self.close_connection = True
            return
        injection = proxy.begin(operation, self.client_address[1])
        exchange = Exchange(proxy, self, body, injection)
        try:
            if injection is None:
                exchange.answer(exchange.forward())
            else:
                injection.behaviour(exchange)
        except Cut:
            self.close_connection = True
        finally:
            proxy.finish(operation)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one_call  # noqa: N815 - names of the standard library

    def relay(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in response.headers):
            self.send_header("Content-Length", "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: URLs hold signatures."""
