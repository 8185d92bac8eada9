# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A proxy in front of PostgreSQL that can stop or cut a connection at exactly one commit or statement.

It reads the frontend's messages of the protocol, version 3 (PostgreSQL documentation, chapter "Message Formats"):
after the start-up message, which is a length and its payload, each is one byte of type and a length that counts itself.
"""

import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .proxy import WAIT_SECONDS, Cut

_HEADER = struct.Struct("!cI")


@dataclass(frozen=True)
class Commit:
    """The commit of the transaction that logs this event of an upload; ``done``: when PostgreSQL has done it."""

    event: str
    done: bool = False

    def matches(self, statement: bytes, before: list[bytes]) -> bool:
        """Whether the statement is that commit, with these before it in the transaction."""
        if not re.match(rb"\s*COMMIT\b", statement, re.IGNORECASE):
            return False
        wanted = rb"INSERT INTO oarepo_s3_upload_events.*'" + self.event.encode() + rb"'"
        return any(re.search(wanted, one, re.DOTALL) for one in before)


@dataclass(frozen=True)
class Query:
    """A statement, by a regular expression."""

    pattern: str
    done: bool = False

    def matches(self, statement: bytes, before: list[bytes]) -> bool:
        """Whether it is that statement."""
        return re.search(self.pattern.encode(), statement, re.DOTALL) is not None


@dataclass(eq=False)
class Stop:
    """A place where a connection is stopped, once."""

    at: Commit | Query
    hold: bool
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    cut: bool = False
    ports: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How often it was there."""
        return len(self.ports)

    def wait_reached(self) -> int:
        """Wait until a connection is there, and return the port that it came from."""
        if not self.reached.wait(WAIT_SECONDS):
            raise AssertionError(f"no connection came to {self.at}")
        return self.ports[0]

    def release(self, *, cut: bool = False) -> None:
        """Let the held connection go on, or cut it."""
        self.cut = cut
        self.released.set()


class DatabaseProxy:
    """The proxy; ``with DatabaseProxy(port) as proxy``."""

    def __init__(self, database_port: int) -> None:
        self._database_port = database_port
        self._lock = threading.Lock()
        self._stops: list[Stop] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> "DatabaseProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join(WAIT_SECONDS)
        self._listener.close()

    @contextmanager
    def stop_at(self, at: Commit | Query, *, hold: bool) -> Iterator[Stop]:
        """Stop the next connection that comes there: hold it for the test, or cut it."""
        stop = Stop(at, hold)
        with self._lock:
            self._stops.append(stop)
        try:
            yield stop
        finally:
            with self._lock:
                self._stops.remove(stop)
            stop.release(cut=stop.cut)

    def find_stop(self, statement: bytes, before: list[bytes], port: int) -> Stop | None:
        """The stop that this statement has come to."""
        with self._lock:
            for stop in self._stops:
                if not stop.ports and stop.at.matches(statement, before):
                    stop.ports.append(port)
                    return stop
        return None

    @property
    def ended(self) -> bool:
        """Whether connections have to come to an end."""
        return self._ended.is_set()

    def _accept(self) -> None:
        while not self.ended:
            try:
                client, (_, port) = self._listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._serve, args=(client, port), daemon=True).start()

    def _serve(self, client: socket.socket, port: int) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._database_port), timeout=5)
        except OSError:  # PostgreSQL is not there: that is what the client shall see
            client.close()
            return
        with client, server, suppress(OSError, Cut):  # either side may end the connection at any time
            client.settimeout(None)
            server.settimeout(None)
            _Connection(self, client, server, port).run()


class _Connection:
    """One connection, passed on message by message from the client, and as it comes from the server."""

    def __init__(self, proxy: DatabaseProxy, client: socket.socket, server: socket.socket, port: int) -> None:
        self._proxy, self._client, self._server, self._port = proxy, client, server, port
        self._pending = b""
        self._started = False
        self._statements: list[bytes] = []

    def run(self) -> None:
        """Pass on until either side ends it."""
        while not self._proxy.ended:
            ready, _, _ = select.select([self._client, self._server], [], [], 0.5)
            if self._server in ready:
                self._client.sendall(self._received(self._server))
            if self._client in ready:
                self._pending += self._received(self._client)
                while message := self._next_message():
                    self._pass_on(message)

    def _received(self, side: socket.socket) -> bytes:
        data = side.recv(65536)
        if not data:
            raise Cut
        return data

    def _next_message(self) -> bytes:
        """A whole message, or nothing if there is none yet."""
        head = 5 if self._started else 4
        if len(self._pending) < head:
            return b""
        length = struct.unpack("!I", self._pending[head - 4 : head])[0] + head - 4
        if len(self._pending) < length:
            return b""
        message, self._pending = self._pending[:length], self._pending[length:]
        self._started = True
        return message

    def _pass_on(self, message: bytes) -> None:
        statement = message[5:-1] if message[:1] == b"Q" else b""
        stop = self._proxy.find_stop(statement, self._statements, self._port) if statement else None
        if stop is None:
            self._server.sendall(message)
        elif stop.at.done:
            self._server.sendall(message)
            answer = self._answer()
            self._halt(stop)
            self._client.sendall(answer)
        else:
            self._halt(stop)
            self._server.sendall(message)
        ends = re.match(rb"\s*(BEGIN|COMMIT|ROLLBACK)\b(?! TO)", statement, re.IGNORECASE)
        self._statements = [] if ends else [*self._statements, statement]

    def _answer(self) -> bytes:
        """All that the server says until it is ready for the next query."""
        data, place = b"", 0
        while True:
            data += self._received(self._server)
            while len(data) >= place + 5:
                kind, length = _HEADER.unpack_from(data, place)
                if len(data) < place + 1 + length:
                    break
                place += 1 + length
                if kind == b"Z":
                    return data

    def _halt(self, stop: Stop) -> None:
        stop.reached.set()
        if not stop.hold:
            raise Cut
        if not stop.released.wait(WAIT_SECONDS) or stop.cut:
            raise Cut
