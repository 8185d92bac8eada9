# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Clients over real HTTP: a depositor who uploads, and whoever reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import urllib3

from tests.integration.records_app import USER_HEADER

LOST = 0
"""Status where there was no answer at all."""


@dataclass(frozen=True)
class Answer:
    """What came back: status (0 if nothing did), headers and body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 400

    @property
    def body(self) -> Any:
        """The body, decoded."""
        return json.loads(self.content)

    def __str__(self) -> str:
        return f"{self.status} {self.content[:300].decode('utf-8', 'replace')}"


@dataclass(frozen=True)
class Client:
    """Asks in the name of a user; threads may share it.

    Attributes:
        url: where the application is, without a slash at the end.
        user: name of the user, None for nobody.
        seconds: how long an answer may take.
    """

    url: str
    user: str | None = "owner"
    seconds: float = 60.0
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=32))

    def ask(self, method: str, url: str, **arguments: Any) -> Answer:
        """Send one request, never twice."""
        headers = dict(arguments.pop("headers", {}))
        if self.user is not None and url.startswith(self.url):
            headers[USER_HEADER] = self.user
        try:
            answer = self.pool.request(
                method, url, headers=headers, timeout=self.seconds, retries=False, redirect=False, **arguments
            )
        except urllib3.exceptions.HTTPError:  # cut, refused or too slow: what an uploader sees of a fault
            return Answer(LOST)
        return Answer(answer.status, dict(answer.headers), answer.data)

    def open(self, pid: str, key: str, size: int, part_size: int, **fields: Any) -> Answer:
        """Open an upload."""
        document = {"key": key, "size": size, "part_size": part_size, **fields}
        return self.ask("POST", f"{self._files(pid)}?multipart=True", json=document)

    def put_part(self, part: Mapping[str, Any], content: bytes) -> Answer:
        """Put a part to its URL."""
        return self.ask("PUT", part["url"], body=content)

    def put_parts(self, session: Mapping[str, Any], content: bytes, numbers: Sequence[int] | None = None) -> None:
        """Put the parts of a session, all of them unless numbers are given.

        Raises:
            AssertionError: the store did not take one.
        """
        size = session["part_size"]
        for part in session["parts"]:
            number = part["part"]
            if numbers is None or number in numbers:
                answer = self.put_part(part, content[(number - 1) * size : number * size])
                assert answer.ok, f"part {number}: {answer}"

    def act(self, action: str, pid: str, key: str, **arguments: Any) -> Answer:
        """complete, abort, sign (POST) or parts (GET)."""
        method = "GET" if action == "parts" else "POST"
        return self.ask(method, f"{self._file(pid, key)}/{action}-multipart", **arguments)

    def delete_record(self, pid: str) -> Answer:
        """Delete a record."""
        return self.ask("DELETE", f"{self.url}/draft/records/{pid}")

    def read(self, pid: str, key: str) -> Answer:
        """Download a file as a browser does: follow the redirection to the store."""
        answer = self.ask("GET", self._file(pid, key))
        return self.ask("GET", answer.headers["Location"]) if answer.status == 302 else answer

    def _files(self, pid: str) -> str:
        return f"{self.url}/draft/records/{pid}/files/"

    def _file(self, pid: str, key: str) -> str:
        return self._files(pid) + quote(key)
