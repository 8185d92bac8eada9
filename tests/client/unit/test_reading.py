# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Reading, comparing and the doctor, with a repository and a store that answer by hand."""

import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oarepo_s3_client import Options
from oarepo_s3_client.errors import ServerTrouble
from oarepo_s3_client.flows import Blocking, Context
from oarepo_s3_client.reading import Doctor, read, verify
from oarepo_s3_client.records import delete, list_files, make_context, status
from oarepo_s3_client.retries import Fault, FaultKind
from oarepo_s3_client.servers.protocol import Request, Response, Sleep
from oarepo_s3_client.stores import StoreFault

TARGET = "https://host/records/1"
FILE = {"key": "k", "size": 3, "checksum": "md5:900150983cd24fb0d6963f7d28e17f72"}
PENDING = {"key": "p", "size": 3, "readable": False}
DATE = {"date": "Mon, 04 May 2026 12:00:00 GMT"}
AT = 1777896000.0
"""The same time in seconds since 1970."""

RETRY = StoreFault(Fault(FaultKind.RETRY, "the connection to the store failed", None))
Answer = Callable[[Request], Response]


class OneStore:
    """Gives ``abc``, or raises what it was told to, in turn."""

    def __init__(self, *faults: StoreFault) -> None:
        self.faults = list(faults)

    def get(self, url: str, first: int, size: int, receive: Any, owner: Any) -> str:
        sink = receive()
        if self.faults:
            sink(memoryview(b"abc"[first : first + 1]))
            raise self.faults.pop(0)
        sink(memoryview(b"abc"[first : first + size]))
        return "etag"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    made = make_context(
        Options(token="t", state_dir=tmp_path, attempts=2), lambda event: None, ssl.create_default_context()
    )
    made.stores = OneStore()  # type: ignore[assignment]
    return made


def answer(document: Any, status: int = 200, **headers: str) -> Response:
    return Response(status, headers, json.dumps(document).encode())


def repository(listed: list[dict[str, Any]], **others: Response) -> Answer:
    """Lists the files, redirects to the store, and answers the rest as it is told to, by the end of the path."""

    def respond(request: Request) -> Response:
        if request.url.rstrip("/").endswith("/files"):
            return others.get("files") or answer(listed, **(DATE if "undated" not in others else {}))
        end = request.url.partition("?")[0].rpartition("/")[2].replace("-", "_")
        return others.get(end) or answer(None, 302, location="https://store/k")

    return respond


def perform(flow: Any, respond: Answer) -> Any:
    try:
        effect = next(flow)
        while True:
            if isinstance(effect, Blocking):
                try:
                    result = effect.call()
                except Exception as error:
                    effect = flow.throw(error)
                    continue
            else:
                result = None if isinstance(effect, Sleep) else respond(effect)
            effect = flow.send(result)
    except StopIteration as end:
        return end.value


def test_read_again_after_a_fault(context: Context) -> None:
    context.stores = OneStore(RETRY)  # type: ignore[assignment]
    assert perform(read(context, TARGET, "k", 1, 9), repository([FILE])) == b"bc"


def test_read_has_an_end_of_patience(context: Context) -> None:
    for faults in ([RETRY, RETRY], [StoreFault(Fault(FaultKind.FATAL, "no", error=ServerTrouble("No.")))]):
        context.stores = OneStore(*faults)  # type: ignore[assignment]
        with pytest.raises(ServerTrouble):
            perform(read(context, TARGET, "k", 0, None), repository([FILE]))


@pytest.mark.parametrize(
    ("info", "content", "matches", "algorithm"),
    [
        (FILE, b"abc", True, "md5"),
        (FILE, b"abd", False, "md5"),
        (FILE | {"checksum": "etag:x"}, b"abc", False, None),
        (FILE | {"checksum": None}, b"abc", False, None),
        (FILE | {"size": 0, "checksum": f"multipart:{'0' * 32}-1-5"}, b"", True, "multipart"),
        (FILE | {"size": 0, "checksum": f"multipart:{'0' * 32}-1-5"}, b"a", False, "multipart"),
    ],
)
def test_verify(
    context: Context, tmp_path: Path, info: dict[str, Any], content: bytes, matches: bool, algorithm: str | None
) -> None:
    path = tmp_path / "local"
    path.write_bytes(content)
    found = perform(verify(context, TARGET, "k", path), repository([info]))
    assert (found.matches, found.algorithm, found.remote) == (matches, algorithm, info["checksum"])


def test_a_face_that_is_known_is_not_looked_for(context: Context) -> None:
    paths: list[str] = []

    def respond(request: Request) -> Response:
        paths.append(f"{request.method} {request.url.removeprefix(TARGET)}")
        return repository([FILE])(request) if request.method == "GET" else answer(None, 204)

    assert [info.key for info in perform(list_files(context, TARGET), respond)] == ["k"]
    assert [info.key for info in perform(list_files(context, TARGET), respond)] == ["k"]
    perform(delete(context, TARGET, "k"), respond)
    assert paths == ["GET /files", "GET /files/", "DELETE /files/k"]


def test_the_state_of_an_upload(context: Context) -> None:
    pages = [
        {"parts": [{"part": 1, "etag": "e", "size": 5}], "links": {"next": "?page=2"}},
        {"parts": [], "links": {}, "state": "open", "missing": [[2, 3]]},
    ]
    plan = {"size": 15, "part_size": 5, "parts_count": 3}

    def respond(request: Request) -> Response:
        if "page=" in request.url:
            return answer(pages[int(request.url.rpartition("=")[2]) - 1] | {"plan": plan})
        return repository([PENDING])(request)

    found = perform(status(context, TARGET, "p"), respond)
    assert (found.state, found.arrived, found.missing, found.parts_count) == ("open", [1], [(2, 3)], 3)


# the doctor -----------------------------------------------------------------------------------------------------------

NO_UPLOAD = answer({"code": "upload_not_found"}, 404)


def findings(context: Context, respond: Answer, now: float = AT, target: str = TARGET) -> dict[str, bool | None]:
    return {check.name: check.ok for check in perform(Doctor(context, target, lambda: now).run(), respond)}


GOOD = {"encryption": True, "repository": True, "clock": True, "token": True, "store": True}


def test_all_is_well(context: Context) -> None:
    assert findings(context, repository([FILE], parts_multipart=NO_UPLOAD)) == GOOD


def test_no_encryption(context: Context) -> None:
    respond = repository([FILE], parts_multipart=NO_UPLOAD)
    assert findings(context, respond, target="http://host/records/1") == GOOD | {"encryption": False}


def test_no_repository(context: Context) -> None:
    found = findings(context, repository([], files=answer({"message": "no"}, 404)))
    assert found == {"encryption": True, "repository": False}
    assert findings(context, repository([], files=answer("a page")))["repository"] is False


@pytest.mark.parametrize(("now", "ok"), [(AT + 299, True), (AT - 299, True), (AT + 301, False), (AT - 301, False)])
def test_a_clock_that_is_wrong(context: Context, now: float, ok: bool) -> None:
    assert findings(context, repository([FILE], parts_multipart=NO_UPLOAD), now)["clock"] is ok


def test_a_repository_without_a_clock(context: Context) -> None:
    respond = repository([FILE], parts_multipart=NO_UPLOAD, undated=NO_UPLOAD)
    assert findings(context, respond) == GOOD | {"clock": None}
    respond = repository([FILE], parts_multipart=NO_UPLOAD, files=answer([FILE], date="half past nine"))
    assert findings(context, respond) == GOOD | {"clock": None}


@pytest.mark.parametrize(
    ("refusal", "ok"),
    [(answer({}, 403), False), (answer({}, 401), False), (answer({}, 410), True), (answer({}, 400), None)],
)
def test_a_token(context: Context, refusal: Response, ok: bool | None) -> None:
    assert findings(context, repository([FILE], parts_multipart=refusal)) == GOOD | {"token": ok}


@pytest.mark.parametrize(
    ("kind", "reason", "ok"),
    [
        (FaultKind.EXPIRED, "the store answers 403", True),
        (FaultKind.FATAL, "the store answers 416", True),
        (FaultKind.RETRY, "the connection to the store failed", False),
    ],
)
def test_a_store_that_cannot_be_reached(context: Context, kind: FaultKind, reason: str, ok: bool) -> None:
    context.stores = OneStore(StoreFault(Fault(kind, reason)))  # type: ignore[assignment]
    assert findings(context, repository([FILE], parts_multipart=NO_UPLOAD)) == GOOD | {"store": ok}


def test_a_store_that_is_found_by_an_upload(context: Context) -> None:
    signed = answer({"parts": [{"part": 1, "url": "https://store/p?partNumber=1"}]})
    refused = answer({"message": "no"}, 403)
    assert findings(context, repository([PENDING], parts_multipart=NO_UPLOAD, sign_multipart=signed)) == GOOD
    for files in ([], [PENDING]):
        respond = repository(files, parts_multipart=NO_UPLOAD, sign_multipart=refused)
        assert findings(context, respond) == GOOD | {"store": None}
