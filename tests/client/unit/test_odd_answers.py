# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Repositories that answer nonsense: whatever they say, there is a result that can be used, or a clear error."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oarepo_s3_client.api import FileInfo, UploadStatus
from oarepo_s3_client.errors import ClientError, Refused, ServerTrouble
from oarepo_s3_client.plan import MAX_PARTS
from oarepo_s3_client.retries import LONGEST_RETRY_AFTER, Backoff
from oarepo_s3_client.servers.batches import NoBatches
from oarepo_s3_client.servers.discovery import discover
from oarepo_s3_client.servers.draft_files import DraftFiles
from oarepo_s3_client.servers.face import ByItself, Completed, Opened, Target, Wanted
from oarepo_s3_client.servers.invenio_rdm import InvenioRDM
from oarepo_s3_client.servers.protocol import Asking, Operation, Response, Sleep
from oarepo_s3_client.work import SignedPart

TARGET = Target("https://host/records/1")
END = "2099-01-01T00:00:00+00:00"
MD5 = "3b098987aa7502b7cfc47c9ad181f430"
MOST_REQUESTS = 20

URLS = [{"part": 1, "url": "https://store/1", "expires_at": END, "expiration": END}]
PUT = {"url": "https://store/put", "headers": {"Content-MD5": "x"}, "expires_at": END}
ARRIVED = [{"part": 1, "etag": MD5, "size": 16}]
SESSION = {"id": "u", "size": 19, "part_size": 16, "parts": URLS, "uploaded_parts": ARRIVED, "expires_at": END}
BY_PUT = {"id": "u", "size": 19, "part_size": 19, "put": PUT}
FILES = [{"key": "k", "size": 19, "checksum": f"md5:{MD5}", "readable": True, "mimetype": "text/plain"}]
PLAN = {"size": 19, "part_size": 16, "parts_count": 2}
REPORT = {"state": "open", "plan": PLAN, "parts": ARRIVED, "missing": [[2, 2]], "expires_at": END, "links": {}}
MISMATCH = {"code": "parts_mismatch", "missing": [[1, 1]], "wrong": [{"part": 2}], "message": "no"}
ENTRY = {
    "key": "k",
    "size": 19,
    "status": "pending",
    "checksum": f"md5:{MD5}",
    "mimetype": "text/plain",
    "transfer": {"type": "M", "part_size": 16, "parts": 2},
    "version_id": "v",
    "links": {"parts": URLS},
}
OURS = {**ENTRY, "links": {**ENTRY["links"], "sign": "https://host/sign"}}  # type: ignore[dict-item]


@dataclass(frozen=True)
class Case:
    """An operation, and good answers to what it asks: the last one to whatever comes after the others."""

    run: Callable[[DraftFiles, InvenioRDM, Asking], Operation[Any]]
    answers: tuple[tuple[int, Any], ...]


CASES = {
    "discover-draft": Case(lambda draft, rdm, asking: discover(TARGET, asking), ((200, FILES),)),
    "discover-rdm": Case(lambda draft, rdm, asking: discover(TARGET, asking), ((200, {"entries": [ENTRY]}),)),
    "draft-files": Case(lambda draft, rdm, asking: draft.files(), ((200, FILES),)),
    "draft-open": Case(lambda draft, rdm, asking: draft.open("k", 19, 16), ((201, {"multipart_upload": SESSION}),)),
    "draft-put": Case(lambda draft, rdm, asking: draft.open("k", 19, 16), ((201, {"multipart_upload": BY_PUT}),)),
    "draft-open-many": Case(
        lambda draft, rdm, asking: draft.open_many([Wanted("k", 19), Wanted("l", 19)], None),
        ((200, [{"status": 201, "multipart_upload": BY_PUT}, {"status": 409, "code": "busy", "retry_after": 2}]),),
    ),
    "draft-sign": Case(lambda draft, rdm, asking: draft.sign("k", (1,)), ((200, {"parts": URLS}),)),
    "draft-sign-put": Case(lambda draft, rdm, asking: draft.sign("k", (1,)), ((200, {"put": PUT}),)),
    "draft-complete": Case(lambda draft, rdm, asking: draft.complete("k", {1: MD5}), ((200, {"checksum": "md5:x"}),)),
    "draft-mismatch": Case(lambda draft, rdm, asking: draft.complete("k", {1: MD5}), ((409, MISMATCH),)),
    "draft-complete-many": Case(
        lambda draft, rdm, asking: draft.complete_many({"k": {1: MD5}, "l": {1: MD5}}),
        ((200, [{"status": 200, "checksum": "md5:x"}, {"status": 409, **MISMATCH}]),),
    ),
    "draft-empty": Case(lambda draft, rdm, asking: draft.put_empty("k"), ((201, {"checksum": "md5:x"}),)),
    "draft-status": Case(
        lambda draft, rdm, asking: draft.status("k"), ((200, {**REPORT, "links": {"next": "x"}}), (200, REPORT))
    ),
    "rdm-files": Case(lambda draft, rdm, asking: rdm.files(), ((200, {"entries": [ENTRY]}),)),
    "rdm-open": Case(lambda draft, rdm, asking: rdm.open("k", 19, 16), ((201, {"entries": [ENTRY]}),)),
    "rdm-found": Case(lambda draft, rdm, asking: rdm.open("k", 19, None), ((400, {"message": "no"}), (200, ENTRY))),
    "rdm-ours": Case(lambda draft, rdm, asking: rdm.open("k", 19, 16), ((201, {"entries": [OURS]}), (200, REPORT))),
    "rdm-open-many": Case(
        lambda draft, rdm, asking: rdm.open_many([Wanted("k", 19)], 16), ((201, {"entries": [ENTRY]}),)
    ),
    "rdm-sign": Case(lambda draft, rdm, asking: rdm.sign("k", (1,)), ((200, ENTRY),)),
    "rdm-complete": Case(lambda draft, rdm, asking: rdm.complete("k", {1: MD5}), ((200, ENTRY),)),
    "rdm-complete-failed": Case(lambda draft, rdm, asking: rdm.complete("k", {1: MD5}), ((400, {}), (200, ENTRY))),
    "rdm-empty": Case(lambda draft, rdm, asking: rdm.put_empty("k"), ((200, ENTRY),)),
    "rdm-status": Case(lambda draft, rdm, asking: rdm.status("k"), ((200, ENTRY),)),
    "rdm-abort": Case(lambda draft, rdm, asking: rdm.abort("k"), ((200, ENTRY),)),
}

ODD: list[Any] = [
    None, True, -1, 0, 1.5, 2**70, "", "x", "9", "ftp://store/1", "https://[::1", "https://store:99999/", "http:///1",
    "https://store/\u010d", "https://store/a b", "\x1b[2J", [], [None], ["x"], [[1, 10**12]], [[]], {}, {"a": []},
]  # fmt: skip


def drive(case: Case, answers: list[tuple[int, bytes]]) -> Any:
    """The result of the operation, or its error."""
    asking = Asking(Backoff(2, Random(1)), lambda reason, wait: None)
    operation = case.run(DraftFiles(TARGET, asking), InvenioRDM(TARGET, asking), asking)
    requests, sent = 0, None
    try:
        while True:
            effect = operation.send(sent)
            sent = None
            if isinstance(effect, Sleep):
                assert 0 <= effect.seconds <= LONGEST_RETRY_AFTER
                continue
            status, content = answers[min(requests, len(answers) - 1)]
            requests += 1
            assert requests <= MOST_REQUESTS
            sent = Response(status, {"date": "Mon, 04 May 2026 12:00:00 GMT"}, content)
    except StopIteration as end:
        return end.value
    except (ClientError, NoBatches) as error:
        return error


def changed(document: Any, value: Any) -> Iterator[Any]:
    """The document with each of its nodes replaced by the value, one at a time, or left out."""
    yield value
    for key in document if isinstance(document, dict) else range(len(document) if isinstance(document, list) else 0):
        for part in changed(document[key], value):
            whole = copy.copy(document)
            whole[key] = part
            yield whole
        yield {name: other for name, other in document.items() if name != key} if isinstance(document, dict) else []


def check(result: Any) -> None:
    """Fail unless the rest of the client can work with this."""
    if isinstance(result, list | tuple):
        for one in result:
            check(one)
        return
    sound = next((is_sound for kind, is_sound in SOUND.items() if isinstance(result, kind)), None)
    assert sound is not None, result
    assert sound(result), result


def is_sound_file(info: FileInfo) -> bool:
    """Whether its fields have their types."""
    texts = all(text is None or isinstance(text, str) for text in (info.checksum, info.mimetype))
    return texts and isinstance(info.key, str) and (info.size is None or (type(info.size) is int and info.size >= 0))


def is_sound_upload(opened: Opened) -> bool:
    """Whether its fields have their types, and its plan has a limit."""
    check(opened.signed)
    arrived = [(type(number), *map(type, facts)) for number, facts in (opened.arrived or {}).items()]
    return (
        isinstance(opened.upload, str)
        and opened.plan.parts_count <= MAX_PARTS
        and set(arrived) <= {(int, str, int)}
        and all(isinstance(value, str) for value in (opened.headers or {}).values())
    )


SOUND: dict[Any, Callable[[Any], bool]] = {
    FileInfo: is_sound_file,
    Opened: is_sound_upload,
    SignedPart: lambda one: type(one.number) is int and one.url.startswith(("http://", "https://")),
    UploadStatus: lambda one: type(one.state) is str and {type(n) for span in one.missing for n in span} <= {int},
    Completed: lambda one: (
        (one.checksum is None or type(one.checksum) is str) and all(1 <= n <= MAX_PARTS for n in one.again)
    ),
    ByItself: lambda one: 0 <= one.seconds <= LONGEST_RETRY_AFTER,
    ClientError: lambda one: one.message.isprintable() and len(one.message) < 2000,
    (str, NoBatches, DraftFiles, InvenioRDM, type(None)): lambda one: True,
}


@pytest.mark.parametrize("name", CASES)
def test_good_answers_are_understood(name: str) -> None:
    case = CASES[name]
    result = drive(case, [(status, json.dumps(document).encode()) for status, document in case.answers])
    assert isinstance(result, Exception) == (name == "rdm-complete-failed")
    check(result)


@pytest.mark.parametrize("name", CASES)
def test_one_wrong_value(name: str) -> None:
    case, tried = CASES[name], 0
    good = [(status, json.dumps(document).encode()) for status, document in case.answers]
    for at, (status, document) in enumerate(case.answers):
        for value in ODD:
            for wrong in changed(document, value):
                answers = [*good[:at], (status, json.dumps(wrong).encode()), *good[at + 1 :]]
                check(drive(case, answers))
                tried += 1
    assert tried >= len(ODD)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["entries", "key", "size", "links", "parts", "status", "code", "missing", "multipart_upload"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    name=st.sampled_from(sorted(CASES)),
    said=st.lists(st.tuples(st.sampled_from([200, 201, 302, 400, 401, 404, 409, 410, 413, 500]), ANYTHING), min_size=1),
)
def test_any_json(name: str, said: list[tuple[int, Any]]) -> None:
    check(drive(CASES[name], [(status, json.dumps(document).encode()) for status, document in said]))


@pytest.mark.parametrize(
    "content", [b"\xff", b"[" * 100_000, b"1" * 10_000, b"{", b"NaN", b"<html>"], ids=lambda content: repr(content[:6])
)
@pytest.mark.parametrize("name", CASES)
def test_no_json_at_all(name: str, content: bytes) -> None:
    result = drive(CASES[name], [(200, content)])
    assert result is None or isinstance(result, ServerTrouble | Refused)


def test_a_report_without_end() -> None:
    page = (200, json.dumps({**REPORT, "links": {"next": "x"}}).encode())
    assert isinstance(drive(CASES["draft-status"], [page]), ServerTrouble)


def test_a_mismatch_that_names_no_part_is_no_success() -> None:
    nothing = {**MISMATCH, "missing": [], "wrong": [{"part": None}]}
    assert isinstance(drive(CASES["draft-complete"], [(409, json.dumps(nothing).encode())]), Refused)


def test_what_is_said_is_fit_for_a_terminal() -> None:
    facts = {"message": "a\x1b[2J\nb" + "c" * 10_000, "code": "no code\x1b", "suggested": {"part_size": "\x1b"}}
    error = drive(CASES["draft-sign"], [(400, json.dumps(facts).encode())])
    assert error.message.startswith("The repository refuses (400): a [2J bccc")
    assert len(error.message) < 1100
    assert (error.code, error.hint) == ("refused", "")
