# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""InvenioRDM's files: the stock multipart transfer "M", and oarepo-s3's own behind the same contract.

Ours is known by its links ``multipart`` and ``sign``. Stock cannot list the parts that have arrived: what the journal
says has to do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from oarepo_s3_client.api import FileInfo, UploadStatus
from oarepo_s3_client.errors import ClientError, NotFound, Refused
from oarepo_s3_client.plan import Plan, make_plan
from oarepo_s3_client.servers.batches import NoBatches
from oarepo_s3_client.servers.draft_files import redirection
from oarepo_s3_client.servers.face import ByItself, Completed, CompleteResult, Opened, OpenResult, Target, Wanted
from oarepo_s3_client.servers.part_reports import ask_status, ask_urls, parts_to_send_again
from oarepo_s3_client.servers.protocol import (
    COMPLETE_SECONDS,
    Asking,
    Operation,
    Response,
    document_of,
    error_of,
    signed_parts,
)
from oarepo_s3_client.work import SignedPart


class InvenioRDM:
    """The face of a draft, or of a record whose files are to be read."""

    name = "invenio_rdm"
    one_put = False

    def __init__(self, target: Target, asking: Asking):
        self._target, self._asking = target, asking

    def files(self) -> Operation[list[FileInfo]]:
        """The record's files, pending ones as well."""
        answer = yield from self._asking.ask("GET", self._target.files)
        return listed_files(document_of(answer, dict))

    def open(self, key: str, size: int, part_size: int | None, content_md5: str | None = None) -> Operation[Opened]:
        """Open an upload, or find the one that is open with the same plan."""
        plan = make_plan(size, part_size)
        answer = yield from self._init([_item(key, plan)])
        if answer.status == 400:
            entry, headers = yield from self._pending(key, answer)
        else:
            entry, headers = _entries(answer).get(key, {}), answer.headers
        return (yield from self._opened(key, entry, headers, plan))

    def open_many(self, wanted: Sequence[Wanted], part_size: int | None) -> Operation[list[OpenResult]]:
        """Open uploads; where one is refused, all are, and each has to be asked for by itself."""
        plans = {one.key: make_plan(one.size, part_size) for one in wanted}
        answer = yield from self._init([_item(key, plan) for key, plan in plans.items()])
        entries = {} if answer.status == 400 else _entries(answer)
        results: list[OpenResult] = []
        for key, plan in plans.items():
            if key not in entries:
                results.append(ByItself())
                continue
            try:
                results.append((yield from self._opened(key, entries[key], answer.headers, plan)))
            except ClientError as error:
                results.append(error)
        return results

    def _init(self, items: list[dict[str, Any]]) -> Operation[Response]:
        return (yield from self._asking.ask("POST", self._target.files, json=items, expect=(400,), busy=True))

    def _pending(self, key: str, refusal: Response) -> Operation[tuple[dict[str, Any], Mapping[str, str]]]:
        """The entry of an upload that stock refuses to open again."""
        try:
            answer = yield from self._asking.ask("GET", self._target.file(key))
        except NotFound:
            raise error_of(refusal) from None
        entry = document_of(answer, dict)
        if not _is_pending(entry) or _transfer(entry).get("type") != "M":
            raise error_of(refusal)
        return entry, answer.headers

    def _opened(self, key: str, entry: dict[str, Any], headers: Mapping[str, str], plan: Plan) -> Operation[Opened]:
        part_size = int(_transfer(entry).get("part_size") or plan.part_size)
        size = int(entry.get("size") or plan.size)
        if (size, part_size) != (plan.size, plan.part_size):
            raise Refused(
                "Another upload of this file is open, with another size or part size.",
                code="upload_exists",
                hint="Abort it first (`oarepo-s3 abort`).",
            )
        arrived: dict[int, tuple[str, int]] | None = None
        expires_at = None
        if _is_ours(entry):
            status, arrived = yield from ask_status(self._asking, self._upload(key))
            expires_at = status.expires_at
        signed = signed_parts(entry["links"].get("parts"), headers, "expiration")
        return Opened(_id_of(entry), plan, signed, arrived, expires_at)

    def sign(self, key: str, numbers: tuple[int, ...]) -> Operation[list[SignedPart]]:
        """Fresh URLs; stock gives all at once, with the entry."""
        answer = yield from self._asking.ask("GET", self._target.file(key))
        entry = document_of(answer, dict)
        if _is_ours(entry):
            return (yield from ask_urls(self._asking, f"{self._upload(key)}/sign", numbers))
        return signed_parts(entry["links"].get("parts"), answer.headers, "expiration")

    def complete(self, key: str, etags: Mapping[int, str]) -> Operation[Completed]:
        """Make a file of the parts."""
        answer = yield from self._asking.ask(
            "POST", f"{self._target.file(key)}/commit", expect=(400, 409), busy=True, timeout=COMPLETE_SECONDS
        )
        again = parts_to_send_again(answer)
        if again is not None:
            return Completed(again=again)
        if answer.status >= 400:
            # Stock refuses to commit twice, as happens when the first answer was lost.
            entry = yield from self._asking.ask("GET", self._target.file(key))
            if _is_pending(document_of(entry, dict)):
                raise error_of(answer)
            answer = entry
        return Completed(checksum=document_of(answer, dict).get("checksum"))

    def complete_many(self, etags: Mapping[str, Mapping[int, str]]) -> Operation[list[CompleteResult]]:
        """There is no list of commits."""
        raise NoBatches
        yield  # an operation all the same

    def put_empty(self, key: str) -> Operation[str | None]:
        """Make a file of 0 bytes."""
        yield from self._asking.ask("POST", self._target.files, json=[{"key": key}], expect=(400,), busy=True)
        yield from self._asking.ask("PUT", f"{self._target.file(key)}/content", content=b"", busy=True)
        answer = yield from self._asking.ask("POST", f"{self._target.file(key)}/commit", busy=True)
        checksum: str | None = document_of(answer, dict).get("checksum")
        return checksum

    def status(self, key: str) -> Operation[UploadStatus]:
        """The upload of a file; of stock only the plan."""
        answer = yield from self._asking.ask("GET", self._target.file(key))
        entry = document_of(answer, dict)
        if _is_ours(entry):
            status, _ = yield from ask_status(self._asking, self._upload(key))
            return status
        transfer, size = _transfer(entry), int(entry.get("size") or 0)
        state = "open" if _is_pending(entry) else "completed"
        part_size, parts = int(transfer.get("part_size") or size), int(transfer.get("parts") or 1)
        return UploadStatus(state, size, part_size, parts, [], [], None, known=False)

    def abort(self, key: str) -> Operation[None]:
        """End the upload of a file.

        Raises:
            Refused: the file is complete.
        """
        answer = yield from self._asking.ask("GET", self._target.file(key))
        if not _is_pending(document_of(answer, dict)):
            raise Refused("The file is complete.", code="upload_completed", hint="Delete it (`oarepo-s3 rm`).")
        yield from self.delete(key)

    def delete(self, key: str) -> Operation[None]:
        """Delete a file, or abort its upload."""
        yield from self._asking.ask("DELETE", self._target.file(key), done=(404,), busy=True)

    def location(self, key: str) -> Operation[str]:
        """Where the bytes of a file are."""
        return (yield from redirection(self._asking, f"{self._target.file(key)}/content"))

    def _upload(self, key: str) -> str:
        return f"{self._target.file(key)}/multipart"


def _item(key: str, plan: Plan) -> dict[str, Any]:
    """What asks for an upload."""
    transfer = {"type": "M", "parts": plan.parts_count, "part_size": plan.part_size}
    return {"key": key, "size": plan.size, "transfer": transfer}


def _entries(answer: Response) -> dict[str, dict[str, Any]]:
    """The entries of an answer, by key."""
    return {str(entry["key"]): entry for entry in document_of(answer, dict).get("entries") or ()}


def _transfer(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    transfer: Mapping[str, Any] = entry.get("transfer") or {}
    return transfer


def _is_pending(entry: Mapping[str, Any]) -> bool:
    return entry.get("status") == "pending"


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return "sign" in (entry.get("links") or {})


def _id_of(entry: Mapping[str, Any]) -> str:
    """What tells this upload from a later one of the same file."""
    return str(entry.get("version_id") or entry.get("file_id") or entry.get("created") or "")


def listed_files(document: Mapping[str, Any]) -> list[FileInfo]:
    """The files in a list of this face."""
    return [
        FileInfo(
            key=str(entry["key"]),
            size=entry.get("size"),
            checksum=entry.get("checksum"),
            status="pending" if _is_pending(entry) else "completed",
            mimetype=entry.get("mimetype"),
        )
        for entry in document.get("entries") or ()
    ]
