# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Stands between clients and the store and counts what is put, also by requests that break off in the middle.

Nothing is changed on the way, so that signatures stay good: they are made for the address of this proxy.
"""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from .settings import Settings
from .traffic import Exchange, TrafficLog

BLOCK = 1 << 16
WAIT_SECONDS = 0.1


class RequestReader:
    """Reads one direction of a connection of HTTP/1.1: who puts how many bytes.

    Attributes:
        ended: each PUT whose body has come, with the client's name and its bytes; the reader's owner takes them out.
    """

    def __init__(self) -> None:
        """Begin before the first request."""
        self.ended: list[tuple[str, int]] = []
        self._head = b""
        self._client: str | None = None
        self._received = self._left = 0

    def feed(self, data: bytes) -> int:
        """Take in what was received, in order, and return how many bytes of it belong to bodies of PUT."""
        counted = 0
        while data:
            if not self._left:
                self._head += data
                head, found, data = self._head.partition(b"\r\n\r\n")
                if not found:
                    break
                self._begin(head.decode("latin-1"))
                continue
            taken = min(self._left, len(data))
            self._left, self._received, data = self._left - taken, self._received + taken, data[taken:]
            counted += 0 if self._client is None else taken
            if not self._left:
                self.end()
        return counted

    def end(self) -> None:
        """The body of the request has come, or nothing more comes of it."""
        if self._client is not None and self._received:
            self.ended.append((self._client, self._received))
        self._client = None

    def _begin(self, head: str) -> None:
        request, *lines = head.split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._head, self._received, self._left = b"", 0, int(headers.get("content-length", "0"))
        self._client = headers.get("user-agent", "") if request.startswith("PUT ") else None


class StoreProxy:
    """The proxy; a context."""

    def __init__(self, settings: Settings) -> None:
        """Listen where the settings tell clients that the store is."""
        self._store = ("127.0.0.1", settings.store_port)
        self._log = TrafficLog(settings.path("traffic.log"))
        self._listener = socket.create_server(("127.0.0.1", settings.public_store_port), backlog=128)
        self._changed = threading.Condition()
        self._put_bytes = 0

    def __enter__(self) -> Self:
        _start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The connections end with the store, and the threads with us.
        _shut(self._listener)

    @property
    def put_bytes(self) -> int:
        """Bytes of bodies that clients have put so far, repeated ones as well."""
        return self._put_bytes

    def wait_for(self, put_bytes: int) -> bool:
        """Wait a moment for so many bytes; tell whether they have come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._put_bytes >= put_bytes, WAIT_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # the listener was shut
                return
            _start(self._serve, near)

    def _serve(self, near: socket.socket) -> None:
        reader = RequestReader()
        with suppress(OSError):  # either side may be gone at any time
            far = socket.create_connection(self._store)
            _start(_pump, far, near)
            while data := near.recv(BLOCK):
                self._count(reader, data)
                far.sendall(data)
            _shut(far)
        _shut(near)
        reader.end()
        self._write(reader)

    def _count(self, reader: RequestReader, data: bytes) -> None:
        counted = reader.feed(data)
        self._write(reader)
        if counted:
            with self._changed:
                self._put_bytes += counted
                self._changed.notify_all()

    def _write(self, reader: RequestReader) -> None:
        for client, received in reader.ended:
            self._log.write(Exchange("store", client, "PUT of a part", received, file_bytes=received))
        reader.ended.clear()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(BLOCK):
            sink.sendall(data)
    _shut(source)
    _shut(sink)


def _start(target: object, *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, daemon=True).start()  # type: ignore[arg-type]


def _shut(one: socket.socket) -> None:
    with suppress(OSError):  # it may not be connected any more
        one.shutdown(socket.SHUT_RDWR)
    one.close()
