# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A repository with a store in a process of its own that takes any file and keeps nothing of it."""

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

BLOCK = 2**20


@contextmanager
def sink(part_size: int) -> Iterator[str]:
    """Address of the one record of a repository that plans parts of this size."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(part_size, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/records/1"
    finally:
        process.terminate()
        process.join(10)


def _serve(part_size: int, report: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.part_size = part_size  # type: ignore[attr-defined]
    report.send(server.server_port)
    server.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    """The calls of docs/reference/rest.md that an upload without any trouble needs, and PUT to the store."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The record has no files."""
        self._answer(200, [])

    def do_POST(self) -> None:
        """Open, sign or complete."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/sign-multipart"):
            self._answer(200, {"parts": [self._signed(number) for number in _numbers(asked["parts"])]})
        elif self.path.endswith("/complete-multipart"):
            self._answer(200, {"checksum": None})
        else:
            session = {"id": "1", "size": asked["size"], "part_size": self.server.part_size}  # type: ignore[attr-defined]
            self._answer(201, {"multipart_upload": session})

    def do_PUT(self) -> None:
        """Drop a part; the ETag is none that could be compared."""
        buffer, left = memoryview(bytearray(BLOCK)), int(self.headers["Content-Length"])
        while left:
            left -= self.rfile.readinto(buffer[: min(left, BLOCK)])
        self._answer(200, None, 'ETag: "dropped"\r\n')

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _signed(self, number: int) -> dict[str, Any]:
        return {"part": number, "url": f"http://{self.headers['Host']}/store/{number}"}

    def _answer(self, status: int, document: Any, headers: str = "") -> None:
        body = b"" if document is None else json.dumps(document).encode()
        headers += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        # In one write: the second of two would wait for the first one's acknowledgement.
        self.wfile.write(f"HTTP/1.1 {status} OK\r\n{headers}\r\n".encode() + body)


def _numbers(text: str) -> Iterator[int]:
    for run in text.split(","):
        first, _, last = run.partition("-")
        yield from range(int(first), int(last or first) + 1)
