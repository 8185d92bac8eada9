# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A proxy on the loopback that counts what is put to the store, also of requests that break off."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

BLOCK = 1 << 16
SECONDS = 30.0


class PutCounter:
    """Counts the bytes of the bodies of PUT requests in one direction of a connection of HTTP/1.1."""

    def __init__(self) -> None:
        self._head = b""
        self._body_left = 0
        self._counted = False
        self.bytes = 0

    def feed(self, data: bytes) -> None:
        """Take in what was received, in order."""
        while data:
            if self._body_left:
                taken = min(self._body_left, len(data))
                self._body_left -= taken
                self.bytes += taken if self._counted else 0
                data = data[taken:]
                continue
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._begin_body(head)

    def _begin_body(self, head: bytes) -> None:
        request, *lines = head.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        assert b"transfer-encoding" not in headers, request
        self._head = b""
        self._body_left = int(headers.get(b"content-length", b"0"))
        self._counted = request.startswith(b"PUT ")


class CountingProxy:
    """Hands on connections to a port; ``with CountingProxy(port) as proxy``.

    Attributes:
        endpoint: where clients find it.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._counters: list[PutCounter] = []
        self._threads: list[threading.Thread] = []
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _shut(self._listener)
        with self._lock:
            for one in self._open:
                _shut(one)
        for thread in self._threads:
            thread.join(SECONDS)

    @property
    def put_bytes(self) -> int:
        """Bytes of bodies that have come so far."""
        return sum(counter.bytes for counter in self._counters)

    def _start(self, target, *arguments) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # the listener was shut
                return
            far = socket.create_connection(("127.0.0.1", self._target_port))
            counter = PutCounter()
            with self._lock:
                self._open |= {near, far}
                self._counters.append(counter)
            self._start(self._pump, near, far, counter)
            self._start(self._pump, far, near, None)

    def _pump(self, source: socket.socket, sink: socket.socket, counter: PutCounter | None) -> None:
        with suppress(OSError):
            while data := source.recv(BLOCK):
                if counter is not None:
                    counter.feed(data)
                sink.sendall(data)
        _shut(source)
        _shut(sink)
        with self._lock:
            self._open -= {source, sink}


def _shut(one: socket.socket) -> None:
    with suppress(OSError):  # it may not be connected any more
        one.shutdown(socket.SHUT_RDWR)
    one.close()
