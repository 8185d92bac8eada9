# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Draft and record file endpoints of oarepo-s3: ``<item>/files/``."""

from collections.abc import Mapping, Sequence
from typing import Any

from oarepo_s3_client.api import FileInfo, UploadStatus
from oarepo_s3_client.errors import Refused
from oarepo_s3_client.plan import MAX_PARTS, Plan
from oarepo_s3_client.servers.batches import ask_many, not_done
from oarepo_s3_client.servers.face import Completed, CompleteResult, Opened, OpenResult, Target, Wanted
from oarepo_s3_client.servers.part_reports import (
    arrived_parts,
    ask_status,
    ask_urls,
    file_info,
    named_parts,
    parts_to_send_again,
)
from oarepo_s3_client.servers.protocol import COMPLETE_SECONDS, Asking, Operation, document_of, error_of, signed_parts
from oarepo_s3_client.servers.shapes import (
    headers_of,
    number_of,
    object_of,
    objects_of,
    of_type,
    optional_text,
    unexpected,
    web_address_of,
)
from oarepo_s3_client.work import SignedPart


class DraftFiles:
    """The face of a record of invenio-records-files."""

    name = "draft_files"
    one_put = True

    def __init__(self, target: Target, asking: Asking):
        self._target, self._asking = target, asking

    def files(self) -> Operation[list[FileInfo]]:
        """The record's files, pending ones as well."""
        answer = yield from self._asking.ask("GET", f"{self._target.files}/")
        return listed_files(document_of(answer, list))

    def open(self, key: str, size: int, part_size: int | None, content_md5: str | None = None) -> Operation[Opened]:
        """Open an upload, or find the one that is open with the same size and content."""
        wanted = _wanted(Wanted(key, size, content_md5), part_size)
        try:
            answer = yield from self._asking.ask(
                "POST", f"{self._target.files}/?multipart=True", json=wanted, busy=True
            )
        except Refused as error:
            if error.code != "upload_exists" or content_md5 is None or not size:
                raise
            # It may have been begun in parts.
            return (yield from self.open(key, size, part_size))
        return _opened(document_of(answer, dict), answer.headers)

    def open_many(self, wanted: Sequence[Wanted], part_size: int | None) -> Operation[list[OpenResult]]:
        """Open uploads, each as by itself."""
        entries = [_wanted(one, part_size) for one in wanted]
        results, answer = yield from ask_many(self._asking, f"{self._target.files}/?multipart=True", entries)
        return [not_done(result) or _opened(result, answer.headers) for result in results]

    def sign(self, key: str, numbers: tuple[int, ...]) -> Operation[list[SignedPart]]:
        """Fresh URLs."""
        return (yield from ask_urls(self._asking, self._action(key, "sign"), numbers))

    def complete(self, key: str, etags: Mapping[int, str]) -> Operation[Completed]:
        """Make a file of the parts."""
        answer = yield from self._asking.ask(
            "POST",
            self._action(key, "complete"),
            json={"parts": _parts(etags)},
            expect=(409,),
            busy=True,
            timeout=COMPLETE_SECONDS,
        )
        again = parts_to_send_again(answer)
        if again is not None:
            return Completed(again=again)
        if answer.status == 409:
            raise error_of(answer)
        return Completed(checksum=optional_text(document_of(answer, dict).get("checksum")))

    def complete_many(self, etags: Mapping[str, Mapping[int, str]]) -> Operation[list[CompleteResult]]:
        """Make files of their parts, each as by itself."""
        entries = [{"key": key, "parts": _parts(parts)} for key, parts in etags.items()]
        url = f"{self._target.files}/?complete=True"
        results, _ = yield from ask_many(self._asking, url, entries, COMPLETE_SECONDS)
        return [_completed(result) for result in results]

    def put_empty(self, key: str) -> Operation[str | None]:
        """Make a file of 0 bytes."""
        answer = yield from self._asking.ask("PUT", self._target.file(key), content=b"", busy=True)
        return optional_text(document_of(answer, dict).get("checksum"))

    def status(self, key: str) -> Operation[UploadStatus]:
        """The upload of a file."""
        status, _ = yield from ask_status(self._asking, self._action(key, "parts"))
        return status

    def abort(self, key: str) -> Operation[None]:
        """End the upload of a file."""
        yield from self._asking.ask("POST", self._action(key, "abort"), busy=True)

    def delete(self, key: str) -> Operation[None]:
        """Delete a file, and abort its upload if there is one."""
        yield from self._asking.ask("DELETE", self._target.file(key), done=(404,), busy=True)

    def location(self, key: str) -> Operation[str]:
        """Where the bytes of a file are."""
        return (yield from redirection(self._asking, self._target.file(key)))

    def _action(self, key: str, action: str) -> str:
        return f"{self._target.file(key)}/{action}-multipart"


def _wanted(wanted: Wanted, part_size: int | None) -> dict[str, Any]:
    """The body that asks for an upload."""
    fields = {"key": wanted.key, "size": wanted.size, "part_size": part_size, "content_md5": wanted.content_md5}
    return {name: value for name, value in fields.items() if value is not None}


def _opened(document: Mapping[str, Any], headers: Mapping[str, str]) -> Opened:
    """The upload in an answer; a file that goes by one PUT is its only part."""
    session = object_of(document.get("multipart_upload"))
    put = session.get("put")
    plan = Plan(number_of(session.get("size")), max(1, number_of(session.get("part_size"))))
    if plan.parts_count > MAX_PARTS:
        raise unexpected()
    return Opened(
        upload=of_type(session.get("id"), str),
        plan=plan,
        signed=signed_parts(session.get("parts") if put is None else [{**object_of(put), "part": 1}], headers),
        arrived=arrived_parts(session.get("uploaded_parts")),
        expires_at=optional_text(session.get("expires_at")),
        headers=None if put is None else headers_of(put.get("headers")),
    )


def _parts(etags: Mapping[int, str]) -> list[dict[str, Any]]:
    return [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]


def _completed(result: Mapping[str, Any]) -> CompleteResult:
    again = named_parts(result)
    if again is not None:
        return Completed(again=again)
    return not_done(result) or Completed(checksum=optional_text(result.get("checksum")))


def redirection(asking: Asking, url: str) -> Operation[str]:
    """The address in the store that the repository sends us to.

    Raises:
        Refused: it sends the bytes itself.
    """
    answer = yield from asking.ask("GET", url, expect=(301, 302, 303, 307, 308), read=False)
    location = answer.headers.get("location")
    if location is None:
        raise Refused("The repository does not hand out this file from its store.", code="no_direct_download")
    return web_address_of(location, url)


def listed_files(document: list[Any]) -> list[FileInfo]:
    """The files in a list of this face."""
    return [file_info(entry, pending=entry.get("readable") is False) for entry in objects_of(document)]
