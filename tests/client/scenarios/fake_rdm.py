# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A server that speaks the documented JSON of InvenioRDM's files, stock or with oarepo-s3, and a store for parts."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote, urlsplit

DRAFT = "/api/records/abcd-1234/draft"


@dataclass
class File:
    """A file of the draft."""

    size: int = 0
    transfer: dict[str, Any] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    content: bytes | None = None
    serial: int = 0


@dataclass
class FakeRDM:
    """State of the server.

    Attributes:
        ours: whether oarepo-s3 is behind it.
        requests: method and path of each request to the repository.
        tokens: what came as Authorization, from requests to the store.
        drop: called with method and path; whether to do it and cut the connection instead of an answer.
    """

    ours: bool
    files: dict[str, File] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    drop: Callable[[str, str], bool] = lambda method, path: False
    port: int = 0
    serial: int = 0
    serials: bool = False
    """Whether each answer of the store is about another object."""

    @property
    def target(self) -> str:
        """Address of the draft."""
        return f"http://127.0.0.1:{self.port}{DRAFT}"

    def entry(self, key: str) -> dict[str, Any]:
        """What the server says of a file."""
        file, url = self.files[key], f"{self.target}/files/{quote(key)}"
        links: dict[str, Any] = {"self": url, "commit": f"{url}/commit", "content": f"{url}/content"}
        pending = file.content is None
        if pending and file.transfer["type"] == "M":
            links["content"] = None
            links["parts"] = self.urls(key, range(1, file.transfer["parts"] + 1))
            if self.ours:
                links |= {"multipart": f"{url}/multipart", "sign": f"{url}/multipart/sign"}
        md5 = "" if pending else f"md5:{hashlib.md5(file.content or b'').hexdigest()}"
        return {
            "key": key,
            "size": file.size,
            "status": "pending" if pending else "completed",
            "checksum": None if pending else md5,
            "created": str(file.serial),
            "transfer": file.transfer if pending else {"type": "L"},
            "links": links,
        }

    def urls(self, key: str, numbers: Any, end: str = "expiration") -> list[dict[str, Any]]:
        """Part URLs."""
        store = f"http://127.0.0.1:{self.port}/store/{quote(key)}"
        return [{"part": n, "url": f"{store}?partNumber={n}", end: "2099-01-01T00:00:00+00:00"} for n in numbers]

    # requests to the repository ---------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Status and document, or an address for 302."""
        key, action = unquote(path.removeprefix(f"{DRAFT}/files").removeprefix("/")), "file"
        for end in ("multipart/sign", "multipart", "content", "commit"):
            if key.endswith(f"/{end}"):
                key, action = key.removesuffix(f"/{end}"), end
                break
        if not key:
            return self.init(json.loads(body)) if method == "POST" else (200, {"enabled": True, "entries": self.all()})
        if key not in self.files:
            return 404, {"status": 404, "message": "no such file"}
        return getattr(self, f"do_{action.replace('/', '_')}")(method, key, body)  # type: ignore[no-any-return]

    def all(self) -> list[dict[str, Any]]:
        """Entries without URLs of parts."""
        entries = [self.entry(key) for key in self.files]
        for entry in entries:
            entry["links"].pop("parts", None)
        return entries

    def init(self, items: list[dict[str, Any]]) -> tuple[int, Any]:
        for item in items:
            known = self.files.get(item["key"])
            if known is not None and self.ours and known.content is None and known.transfer != item["transfer"]:
                return 409, {"code": "upload_exists", "message": "It has another part size."}
            if known is not None and not (self.ours and known.content is None and known.size == item.get("size", 0)):
                return 400, {"status": 400, "message": f"File with key {item['key']} already exists."}
            if known is None:
                self.serial += 1
                transfer = item.get("transfer", {"type": "L"})
                self.files[item["key"]] = File(item.get("size", 0), transfer, serial=self.serial)
        return 201, {"entries": [self.entry(item["key"]) for item in items]}

    def do_file(self, method: str, key: str, body: bytes) -> tuple[int, Any]:
        if method == "DELETE":
            del self.files[key]
            return 204, None
        return 200, self.entry(key)

    def do_content(self, method: str, key: str, body: bytes) -> tuple[int, Any]:
        if method == "PUT":
            self.files[key].parts[1] = body
            return 200, self.entry(key)
        return 302, f"http://127.0.0.1:{self.port}/store/{quote(key)}"

    def do_commit(self, method: str, key: str, body: bytes) -> tuple[int, Any]:
        file = self.files[key]
        if file.content is not None and not self.ours:
            return 400, {"status": 400, "message": "The file is committed."}
        wanted = range(1, file.transfer.get("parts", 1) + 1)
        missing = [n for n in wanted if n not in file.parts and file.size]
        if missing and file.content is None:
            if not self.ours:
                return 500, {"status": 500, "message": "The server encountered an internal error."}
            facts = {"code": "parts_mismatch", "missing": [[n, n] for n in missing], "wrong": []}
            return 409, {**facts, "message": "parts"}
        file.content = b"".join(file.parts[n] for n in sorted(file.parts))
        return 200, self.entry(key)

    def do_multipart(self, method: str, key: str, body: bytes) -> tuple[int, Any]:
        file, transfer = self.files[key], self.files[key].transfer
        parts = [
            {"part": n, "etag": hashlib.md5(content).hexdigest(), "size": len(content)}
            for n, content in sorted(file.parts.items())
        ]
        missing = [[n, n] for n in range(1, transfer["parts"] + 1) if n not in file.parts]
        plan = {"size": file.size, "part_size": transfer["part_size"], "parts_count": transfer["parts"]}
        expires_at = "2099-01-01T00:00:00+00:00"
        return 200, {"state": "open", "plan": plan, "parts": parts, "missing": missing, "expires_at": expires_at}

    def do_multipart_sign(self, method: str, key: str, body: bytes) -> tuple[int, Any]:
        numbers: list[int] = []
        for span in json.loads(body)["parts"].split(","):
            first, _, last = span.partition("-")
            numbers += range(int(first), int(last or first) + 1)
        return 200, {"parts": self.urls(key, numbers, "expires_at")}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the client to acknowledge its headers
    fake: FakeRDM

    def handle_one_call(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        if parts.path.startswith("/store/"):
            self.fake.tokens.append(self.headers.get("Authorization"))
            self.store(unquote(parts.path.removeprefix("/store/")), parts.query, body)
            return
        if self.headers.get("Authorization") != "Bearer token-of-owner":
            self.say(403, b"{}")
            return
        self.fake.requests.append(f"{self.command} {parts.path.removeprefix(DRAFT)}")
        status, document = self.fake.answer(self.command, parts.path, body)
        if self.fake.drop(self.command, parts.path):
            self.close_connection = True
        elif status == 302:
            self.say(302, b"", Location=document)
        else:
            self.say(status, b"" if document is None else json.dumps(document).encode())

    do_GET = do_PUT = do_POST = do_DELETE = handle_one_call  # noqa: N815 - names of the standard library

    def store(self, key: str, query: str, body: bytes) -> None:
        file = self.fake.files[key]
        if self.command == "PUT":
            file.parts[int(query.removeprefix("partNumber="))] = body
            self.say(200, b"", ETag=f'"{hashlib.md5(body).hexdigest()}"')
            return
        content = file.content or b""
        etag = len(self.fake.tokens) if self.fake.serials else "x"
        first, last = (int(n) for n in self.headers["Range"].removeprefix("bytes=").split("-"))
        self.say(206, content[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(content)}", ETag=f'"{etag}"')

    def say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def fake_rdm(*, ours: bool) -> Iterator[FakeRDM]:
    """Run the server in threads of this process."""
    fake = FakeRDM(ours)
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
