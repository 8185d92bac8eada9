# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The examples of the REST reference, run in their order against an application with a fake store.

``python -m tests.docs.rest_examples`` writes the real answers into the page, where they differ in more than ids, times
and signatures.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.docs.pages import DOCS, Block, blocks
from tests.integration.records_app import Clock, RecordsWorld, records_world

PAGE = DOCS / "reference" / "rest.md"
REPOSITORY = "https://repository.example.org"
STORE = "https://s3.example.org"
QUOTA = 2**30
HELLO = b"Hello, repository!\n"
"""The file that goes by one PUT."""

_START = re.compile(r"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1\.1")
_PART_URL = re.compile(re.escape(STORE) + r"/files/\S*?[?&]partNumber=(\d+)[^\s\"]*")
_OBJECT_URL = re.compile(re.escape(STORE) + r"/files/(?!<)[^\s\"]*")
_UPLOAD_ID = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OBJECT = re.compile(r"(?<=\")[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f-]+/data(?=\")")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")
_HTTP_TIME = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
_SHORT_LIST = re.compile(r"\[\s+(\d+),\s+(\d+)\s+\]")


@dataclass
class Message:
    """A request or an answer: its first line, headers and JSON body."""

    start: str
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    @classmethod
    def parse(cls, text: str) -> "Message":
        head, _, body = text.partition("\n\n")
        start, *lines = head.strip().splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        return cls(start, headers, json.loads(body) if body.strip() else None)

    def __str__(self) -> str:
        head = "\n".join([self.start, *(f"{name}: {value}" for name, value in self.headers.items())])
        if self.body is None:
            return f"{head}\n"
        body = _SHORT_LIST.sub(r"[\1, \2]", json.dumps(self.body, indent=2, ensure_ascii=False))
        return f"{head}\n\n{body}\n"

    def normal(self) -> "Message":
        """The same without what differs from run to run."""
        return Message.parse(normal(str(self)))


def normal(text: str) -> str:
    """The text with placeholders for ids, times and signatures."""
    text = _PART_URL.sub(rf"{STORE}/files/<object>?partNumber=\1", text)
    text = _OBJECT_URL.sub(lambda found: found[0] if "<object>" in found[0] else f"{STORE}/files/<object>", text)
    for pattern, name in (
        (_OBJECT, "object"),
        (_UPLOAD_ID, "upload"),
        (_UUID, "uuid"),
        (_TIME, "time"),
        (_HTTP_TIME, "time"),
    ):
        text = pattern.sub(f"<{name}>", text)
    return text


def readable(text: str) -> str:
    """The text with addresses of the store cut short, for the page."""
    text = re.sub(
        re.escape(STORE) + r"/files/[^\s\"?]*\?[^\s\"]*?partNumber=(\d+)[^\s\"]*",
        rf"{STORE}/files/…?partNumber=\1&…",
        text,
    )
    return re.sub(re.escape(STORE) + r"/files/[^\s\"…]+", f"{STORE}/files/…", text)


@dataclass(frozen=True)
class Example:
    """A request and the answer that the page says it gets."""

    request_block: Block
    answer_block: Block

    @property
    def request(self) -> Message:
        return Message.parse(self.request_block.text)

    @property
    def answer(self) -> Message:
        return Message.parse(self.answer_block.text)


def examples() -> list[Example]:
    """The examples of the page, in order."""
    found = list(blocks(PAGE, "http"))
    kinds = [block.text.startswith("HTTP/1.1 ") for block in found]
    assert kinds == [False, True] * (len(found) // 2), "each request has to be followed by its answer"
    return [Example(*pair) for pair in zip(found[::2], found[1::2], strict=True)]


@contextmanager
def documented_world() -> Iterator["Runner"]:
    """An application as the page describes it, with record 1."""
    clock = Clock()
    clock.now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    with (
        tempfile.TemporaryDirectory() as folder,
        records_world(f"sqlite:///{folder}/docs.db", clock, S3_PUBLIC_ENDPOINT_URL=STORE) as world,
    ):
        world.add_record()
        world.set_bucket(quota_size=QUOTA)
        yield Runner(world)


class Runner:
    """Sends requests of the page and gives the answers in its form."""

    def __init__(self, world: RecordsWorld) -> None:
        self._world = world
        self._upload_id = ""
        self._key = ""

    def run(self, request: Message) -> Message:
        """The real answer to a request."""
        found = _START.fullmatch(request.start)
        assert found is not None, request.start
        if found["target"].startswith(STORE):
            if "Content-MD5" in request.headers:
                return self._put_object(request.headers)
            return self._put_part(found["target"], int(request.headers["Content-Length"]))
        return self._ask(found["method"], found["target"], request)

    def _put_object(self, headers: dict[str, str]) -> Message:
        upload = self._world.upload(self._key)
        assert headers == self._world.service.sign_put(upload).headers
        stored = self._world.store.put_object(upload.s3_bucket, upload.s3_key, HELLO)
        return Message("HTTP/1.1 200 OK", {"ETag": f'"{stored.etag}"'})

    def _put_part(self, url: str, size: int) -> Message:
        number = int(_PART_URL.fullmatch(url)[1])  # type: ignore[index]
        etag = self._world.put_part(self._world.upload(self._key), number, size)
        return Message("HTTP/1.1 200 OK", {"ETag": f'"{etag}"'})

    def _ask(self, method: str, target: str, request: Message) -> Message:
        target = _UPLOAD_ID.sub(self._upload_id, target.removeprefix("/api"))
        answer = self._world.client()(
            method, target, json=request.body, headers=request.headers, base_url=f"{REPOSITORY}/api"
        )
        body = answer.get_json() if answer.mimetype == "application/json" else None
        first = body[0] if isinstance(body, list) and body else body
        if isinstance(first, dict) and "uploadId" in first:
            self._upload_id, self._key = first["uploadId"], first["key"]
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {name: answer.headers[name] for name in ("Location", "Retry-After") if name in answer.headers}
        return Message(f"HTTP/1.1 {answer.status}", headers, body)


def write_answers() -> None:
    """Bring the answers on the page up to date."""
    page = PAGE.read_text(encoding="utf-8")
    position = 0
    with documented_world() as runner:
        for example in examples():
            position = page.index(example.request_block.text, position)
            real = runner.run(example.request)
            position = page.index(example.answer_block.text, position)
            if real.normal() != example.answer.normal():
                text = readable(str(real))
                page = page[:position] + text + page[position + len(example.answer_block.text) :]
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write_answers()
