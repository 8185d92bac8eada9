# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What the faces ask and understand about many files and about one PUT, answered by hand."""

import json
from random import Random
from typing import Any

import pytest

from oarepo_s3_client.errors import ClientError, NotAuthorised, NotFound, Refused, ServerTrouble, UploadGone
from oarepo_s3_client.retries import Backoff, Fault, FaultKind
from oarepo_s3_client.servers.batches import NoBatches
from oarepo_s3_client.servers.draft_files import DraftFiles
from oarepo_s3_client.servers.face import ByItself, Completed, Opened, Target, Wanted
from oarepo_s3_client.servers.invenio_rdm import InvenioRDM
from oarepo_s3_client.servers.protocol import Asking, Request, Response, Sleep
from oarepo_s3_client.work import SignedPart

URL = "https://host/records/1"
FILES = f"{URL}/files"
MD5 = "OwmJh6p1ArfPxHya0YH0MA=="
HEX = "3b098987aa7502b7cfc47c9ad181f430"
DATE = {"date": "Mon, 04 May 2026 12:00:00 GMT"}
HEADERS = {"Content-Length": "19", "Content-MD5": MD5, "Content-Type": "text/plain"}
PUT = {"url": "https://store/put", "headers": HEADERS, "expires_at": "2026-05-04T12:00:30+00:00"}


def answer(document: Any, status: int = 200) -> Response:
    return Response(status, DATE, b"" if document is None else json.dumps(document).encode())


def session(size: int, put: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What the repository says of an upload."""
    parts = [] if put else [{"part": 1, "url": "https://store/1", "expires_at": "2026-05-04T12:00:30+00:00"}]
    found = {"id": "u", "size": size, "part_size": size if put else 16, "parts": parts, **more}
    return {"multipart_upload": found | ({"put": put} if put else {})}


def drive(operation: Any, *answers: Response | Fault) -> tuple[Any, list[Request]]:
    """The result or the error, and what was asked."""
    requests: list[Request] = []
    left = list(answers)
    try:
        effect = next(operation)
        while True:
            if isinstance(effect, Sleep):
                effect = operation.send(None)
            else:
                requests.append(effect)
                effect = operation.send(left.pop(0))
    except StopIteration as end:
        assert not left
        return end.value, requests
    except (ClientError, NoBatches) as error:
        return error, requests


@pytest.fixture
def asking() -> Asking:
    return Asking(Backoff(3, Random(1)), lambda reason, wait: None)


@pytest.fixture
def draft(asking: Asking) -> DraftFiles:
    return DraftFiles(Target(URL), asking)


@pytest.fixture
def rdm(asking: Asking) -> InvenioRDM:
    return InvenioRDM(Target(URL), asking)


# one PUT --------------------------------------------------------------------------------------------------------------


def test_a_file_by_one_put_is_one_part(draft: DraftFiles) -> None:
    opened, (request,) = drive(draft.open("k", 19, None, MD5), answer(session(19, PUT)))
    assert (request.method, request.url) == ("POST", f"{FILES}/?multipart=True")
    assert request.json == {"key": "k", "size": 19, "content_md5": MD5}
    assert (opened.plan.size, opened.plan.parts_count, opened.headers) == (19, 1, HEADERS)
    assert opened.signed == [SignedPart(1, "https://store/put", 30.0)]
    assert opened.arrived == {}


def test_nothing_by_one_put(draft: DraftFiles) -> None:
    arrived = [{"part": 1, "etag": HEX, "size": 0}]
    opened, _ = drive(draft.open("k", 0, None, MD5), answer(session(0, PUT, uploaded_parts=arrived)))
    assert (opened.plan.size, opened.plan.parts_count, opened.arrived) == (0, 1, {1: (HEX, 0)})


def test_no_put_in_the_answer_means_parts(draft: DraftFiles) -> None:
    opened, _ = drive(draft.open("k", 19, 16, MD5), answer(session(19)))
    assert (opened.headers, opened.plan.parts_count) == (None, 2)


def test_what_was_begun_in_parts_goes_on_in_parts(draft: DraftFiles) -> None:
    exists = answer({"code": "upload_exists"}, 409)
    opened, (_, second) = drive(draft.open("k", 19, None, MD5), exists, answer(session(19)))
    assert "content_md5" not in second.json
    assert opened.headers is None
    for size, md5, asked in ((19, None, 1), (0, MD5, 1)):
        error, requests = drive(draft.open("k", size, None, md5), exists)
        assert (error.code, len(requests)) == ("upload_exists", asked)


def test_a_put_is_signed_again(draft: DraftFiles) -> None:
    signed, (request,) = drive(draft.sign("k", (1,)), answer({"parts": [], "put": PUT}))
    assert request.url == f"{FILES}/k/sign-multipart"
    assert signed == [SignedPart(1, "https://store/put", 30.0)]


# many -----------------------------------------------------------------------------------------------------------------


def test_each_result_by_itself(draft: DraftFiles) -> None:
    wanted = [Wanted(key, 19, MD5) for key in "abcdefgh"]
    errors: list[dict[str, Any]] = [
        {"status": 409, "code": "upload_busy", "retry_after": 2},
        {"status": 503},
        {"status": 409, "code": "upload_exists"},
        {"status": 400, "code": "invalid_key", "message": "Bad."},
        {"status": 403},
        {"status": 404},
        {"status": 410},
    ]
    good = {"status": 201, **session(19, PUT)}
    results, (request,) = drive(draft.open_many(wanted, None), answer([good, *errors]))
    assert request.json == [{"key": key, "size": 19, "content_md5": MD5} for key in "abcdefgh"]
    assert isinstance(results[0], Opened)
    assert results[1:4] == [ByItself(2.0), ByItself(0.0), ByItself(0.0)]
    assert [type(error) for error in results[4:]] == [Refused, NotAuthorised, NotFound, UploadGone]
    assert results[4].code == "invalid_key"


def test_each_completion_by_itself(draft: DraftFiles) -> None:
    mismatch = {"status": 409, "code": "parts_mismatch", "missing": [[1, 1]], "wrong": []}
    busy = {"status": 409, "code": "upload_busy", "retry_after": 1}
    good = {"status": 200, "checksum": f"md5:{HEX}"}
    gone = {"status": 404, "code": "upload_not_found"}
    etags = {key: {1: HEX} for key in "abcd"}
    results, (request,) = drive(draft.complete_many(etags), answer([good, mismatch, busy, gone]))
    assert request.url == f"{FILES}/?complete=True"
    assert request.json[0] == {"key": "a", "parts": [{"PartNumber": 1, "ETag": HEX}]}
    assert results[:3] == [Completed(f"md5:{HEX}"), Completed(again=(1,)), ByItself(1.0)]
    assert isinstance(results[3], NotFound)


@pytest.mark.parametrize(
    ("status", "document", "limit"),
    [
        (400, {"code": "bad_request", "limit": 2}, 2),
        (400, {"code": "bad_request"}, 1),
        (400, {"code": "bad_request", "limit": 3}, 1),
        (400, {"code": "bad_request", "limit": 0}, 1),
        (400, ["no object"], 1),
        (413, None, 1),
    ],
)
def test_lists_that_are_not_taken(draft: DraftFiles, status: int, document: Any, limit: int) -> None:
    error, _ = drive(draft.open_many([Wanted(key, 1) for key in "abc"], None), answer(document, status))
    assert isinstance(error, NoBatches)
    assert error.limit == limit


def test_a_list_that_is_too_big_is_halved(draft: DraftFiles) -> None:
    error, _ = drive(draft.open_many([Wanted(str(n), 1) for n in range(100)], None), answer(None, 413))
    assert isinstance(error, NoBatches)
    assert error.limit == 50


@pytest.mark.parametrize("document", [[], {"no": "list"}])
def test_an_answer_for_others(draft: DraftFiles, document: Any) -> None:
    error, _ = drive(draft.open_many([Wanted("a", 1)], None), answer(document))
    assert isinstance(error, ServerTrouble)


def test_a_single_completion(draft: DraftFiles) -> None:
    mismatch = {"code": "parts_mismatch", "missing": [[1, 2]], "wrong": [{"part": 4}, {"part": None}]}
    assert drive(draft.complete("k", {1: HEX}), answer(mismatch, 409))[0] == Completed(again=(1, 2, 4))
    assert drive(draft.complete("k", {1: HEX}), answer({"checksum": "c"}))[0] == Completed("c")
    for code in ("upload_exists", None):
        assert isinstance(drive(draft.complete("k", {1: HEX}), answer({"code": code}, 409))[0], Refused)


def test_nothing_as_a_plain_put(draft: DraftFiles) -> None:
    checksum, (request,) = drive(draft.put_empty("k"), answer({"checksum": "c"}, 201))
    assert (checksum, request.method, request.url, request.content) == ("c", "PUT", f"{FILES}/k", b"")


@pytest.mark.parametrize("face", ["draft", "rdm"])
def test_a_file_that_is_not_in_the_store(face: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(face)
    assert isinstance(drive(found.location("k"), answer(None, 200))[0], Refused)
    moved = Response(302, {"location": "https://store/k"})
    assert drive(found.location("k"), moved)[0] == "https://store/k"


# InvenioRDM -----------------------------------------------------------------------------------------------------------


def entry(key: str, size: int = 19) -> dict[str, Any]:
    """What InvenioRDM says of a file."""
    return {"key": key, "size": size, "status": "pending", "transfer": {"type": "M", "part_size": 16}, "links": {}}


EXISTS = {"code": "upload_exists", "message": "It has another part size."}
REPORT = {"state": "open", "plan": {"size": 19, "part_size": 16, "parts_count": 2}, "parts": [], "missing": [[1, 2]]}


def ours(entry: dict[str, Any]) -> dict[str, Any]:
    """The same from a repository with oarepo-s3."""
    return {**entry, "links": {"sign": "https://host/sign"}}


def test_rdm_goes_on_with_the_part_size_that_it_was_begun_with(rdm: InvenioRDM) -> None:
    for refusal, begun, last in (
        (answer({"message": "It exists."}, 400), entry("k"), []),
        (answer(EXISTS, 409), ours(entry("k")), [answer(REPORT)]),
    ):
        opened, _ = drive(rdm.open("k", 19, None), refusal, answer(begun), *last)
        assert (opened.plan.part_size, opened.found) == (16, True)


def test_rdm_does_not_choose_another_part_size_than_was_asked_for(rdm: InvenioRDM) -> None:
    error, _ = drive(rdm.open("k", 19, 8), answer(EXISTS, 409), answer(ours(entry("k"))))
    assert (error.code, "16 bytes" in error.hint) == ("upload_exists", True)
    error, _ = drive(rdm.open("k", 20, 16), answer(EXISTS, 409), answer(ours(entry("k"))))
    assert (error.code, "16 bytes" in error.hint) == ("upload_exists", False)


def test_rdm_refuses_for_another_reason(rdm: InvenioRDM) -> None:
    nobody = drive(rdm.open("k", 19, 16), answer({"message": "No."}, 400), answer({"message": "no file"}, 404))[0]
    assert (type(nobody), nobody.message) == (Refused, "The repository refuses (400): No.")
    busy = answer({"code": "upload_busy", "message": "Busy."}, 409)
    assert drive(rdm.open("k", 19, 16), busy, answer(ours(entry("k"))))[0].code == "upload_busy"
    tiny = {**entry("k", 10**6), "transfer": {"type": "M", "part_size": 1}}
    assert drive(rdm.open("k", 10**6, None), answer({}, 400), answer(tiny))[0].code == "bad_answer"
    there = {**entry("k"), "status": "completed"}
    error, _ = drive(rdm.open("k", 19, None), answer({"message": "It exists."}, 400), answer(there))
    assert "oarepo-s3 rm" in error.hint


def test_rdm_without_a_store(rdm: InvenioRDM) -> None:
    links = {"parts": [{"part": 1, "url": f"{FILES}/k/content/1", "expiration": "2026-05-18T12:00:00+00:00"}]}
    error, _ = drive(rdm.open("k", 19, 16), answer({"entries": [{**entry("k"), "links": links}]}, 201))
    assert (type(error), error.code) == (Refused, "no_direct_upload")


def test_rdm_does_not_complete(rdm: InvenioRDM) -> None:
    broken = [answer({"message": "Oops."}, 500)] * 3
    for pending, code in ((entry("k"), "not_completed"), (ours(entry("k")), "server_trouble")):
        error, _ = drive(rdm.complete("k", {1: HEX}), *broken, answer(pending))
        assert (type(error), error.code) == (ServerTrouble, code)
    done = {**entry("k"), "status": "completed", "checksum": "c"}
    assert drive(rdm.complete("k", {1: HEX}), *broken, answer(done))[0] == Completed("c")
    assert drive(rdm.complete("k", {1: HEX}), answer({"message": "No."}, 400), answer(done))[0] == Completed("c")
    assert type(drive(rdm.complete("k", {1: HEX}), answer({}, 400), answer(entry("k")))[0]) is Refused


def test_rdm_opens_a_list(rdm: InvenioRDM) -> None:
    entries = {"entries": [entry("a"), entry("b", 20)]}
    results, (request,) = drive(rdm.open_many([Wanted(key, 19) for key in "abc"], 16), answer(entries, 201))
    assert [(item["key"], item["transfer"]["parts"]) for item in request.json] == [("a", 2), ("b", 2), ("c", 2)]
    assert isinstance(results[0], Opened)
    assert (results[0].headers, results[0].arrived) == (None, None)
    assert (type(results[1]), results[1].code) == (Refused, "upload_exists")
    assert results[2] == ByItself()


def test_rdm_refuses_a_list_as_a_whole(rdm: InvenioRDM) -> None:
    for status in (400, 409):
        results, _ = drive(rdm.open_many([Wanted("a", 19), Wanted("b", 19)], None), answer({"message": "No."}, status))
        assert results == [ByItself(), ByItself()]


def test_rdm_completes_one_by_one(rdm: InvenioRDM) -> None:
    assert isinstance(drive(rdm.complete_many({"a": {1: HEX}}))[0], NoBatches)


# deletion -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", ["draft", "rdm"])
def test_what_is_gone_at_the_second_attempt_was_deleted_at_the_first(face: str, request: pytest.FixtureRequest) -> None:
    delete = request.getfixturevalue(face).delete
    gone, lost = answer({"message": "no"}, 404), Fault(FaultKind.RETRY, "lost")
    assert isinstance(drive(delete("k"), gone)[0], NotFound)
    assert drive(delete("k"), lost, gone)[0] is None
    assert drive(delete("k"), answer(None, 503), gone)[0] is None
    assert isinstance(drive(delete("k"), lost, answer(None, 403))[0], NotAuthorised)
