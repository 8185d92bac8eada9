# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""InvenioRDM's files: the stock multipart transfer "M", and oarepo-s3's own behind the same contract.

Ours is known by its links ``multipart`` and ``sign``. Stock cannot list the parts that have arrived: what the journal
says has to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from oarepo_s3_client.api import FileInfo, UploadStatus
from oarepo_s3_client.errors import ClientError, NotFound, Refused, ServerTrouble
from oarepo_s3_client.plan import MAX_PARTS, Plan, make_plan
from oarepo_s3_client.servers.batches import NoBatches
from oarepo_s3_client.servers.draft_files import redirection
from oarepo_s3_client.servers.face import ByItself, Completed, CompleteResult, Opened, OpenResult, Target, Wanted
from oarepo_s3_client.servers.part_reports import ask_status, ask_urls, file_info, parts_to_send_again
from oarepo_s3_client.servers.protocol import (
    COMPLETE_SECONDS,
    Asking,
    Operation,
    Response,
    document_of,
    error_of,
    signed_parts,
)
from oarepo_s3_client.servers.shapes import number_of, object_of, objects_of, of_type, optional_text, unexpected
from oarepo_s3_client.work import SignedPart

FILE_EXISTS_HINT = "Delete that file first (`oarepo-s3 rm`), or give this one another name (--key)."

NOT_COMPLETED_HINT = (
    "Parts may be missing, which this repository cannot tell. Run the same command again later; if that does not help, "
    "abort the upload (`oarepo-s3 abort`), then begin anew."
)


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
        if answer.status < 400:
            return (yield from self._opened(key, _entries(answer).get(key, {}), answer.headers, plan))
        entry, headers = yield from self._pending(key, answer)
        begun = plan if part_size is not None else _begun_plan(entry, plan)
        _check_same(entry, begun)
        if answer.status == 409 and begun == plan:
            raise error_of(answer)  # it is about something else
        opened = yield from self._opened(key, entry, headers, begun)
        return replace(opened, found=True)

    def open_many(self, wanted: Sequence[Wanted], part_size: int | None) -> Operation[list[OpenResult]]:
        """Open uploads; where one is refused, all are, and each has to be asked for by itself."""
        plans = {one.key: make_plan(one.size, part_size) for one in wanted}
        answer = yield from self._init([_item(key, plan) for key, plan in plans.items()])
        entries = {} if answer.status >= 400 else _entries(answer)
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
        return (yield from self._asking.ask("POST", self._target.files, json=items, expect=(400, 409), busy=True))

    def _pending(self, key: str, refusal: Response) -> Operation[tuple[dict[str, Any], Mapping[str, str]]]:
        """The entry of an upload that stock refuses to open again, and ours with another part size."""
        try:
            answer = yield from self._asking.ask("GET", self._target.file(key))
        except NotFound:
            raise error_of(refusal) from None
        entry = document_of(answer, dict)
        if not _is_pending(entry) or _transfer(entry).get("type") != "M":
            said = error_of(refusal)
            raise Refused(said.message, code=said.code, hint=FILE_EXISTS_HINT)
        return entry, answer.headers

    def _opened(self, key: str, entry: dict[str, Any], headers: Mapping[str, str], plan: Plan) -> Operation[Opened]:
        _check_same(entry, plan)
        arrived: dict[int, tuple[str, int]] | None = None
        expires_at = None
        if _is_ours(entry):
            status, arrived = yield from ask_status(self._asking, self._upload(key))
            expires_at = status.expires_at
        return Opened(_id_of(entry), plan, self._signed(entry, headers), arrived, expires_at)

    def sign(self, key: str, numbers: tuple[int, ...]) -> Operation[list[SignedPart]]:
        """Fresh URLs; stock gives all at once, with the entry."""
        answer = yield from self._asking.ask("GET", self._target.file(key))
        entry = document_of(answer, dict)
        if _is_ours(entry):
            return (yield from ask_urls(self._asking, f"{self._upload(key)}/sign", numbers))
        return self._signed(entry, answer.headers)

    def complete(self, key: str, etags: Mapping[int, str]) -> Operation[Completed]:
        """Make a file of the parts."""
        try:
            answer = yield from self._asking.ask(
                "POST", f"{self._target.file(key)}/commit", expect=(400, 409), busy=True, timeout=COMPLETE_SECONDS
            )
        except ServerTrouble as trouble:
            return (yield from self._committed(key, trouble))
        again = parts_to_send_again(answer)
        if again is not None:
            return Completed(again=again)
        if answer.status >= 400:
            return (yield from self._committed(key, error_of(answer)))
        return _completed(document_of(answer, dict))

    def _committed(self, key: str, refusal: ClientError) -> Operation[Completed]:
        """The file if it is complete in spite of a refusal: stock does not commit twice, and an answer may get lost.

        Raises:
            ClientError: it is not.
        """
        answer = yield from self._asking.ask("GET", self._target.file(key))
        entry = document_of(answer, dict)
        if not _is_pending(entry):
            return _completed(entry)
        if _is_ours(entry) or not isinstance(refusal, ServerTrouble):
            raise refusal
        raise ServerTrouble(
            f"The file could not be completed. {refusal.message}", code="not_completed", hint=NOT_COMPLETED_HINT
        ) from refusal

    def complete_many(self, etags: Mapping[str, Mapping[int, str]]) -> Operation[list[CompleteResult]]:
        """There is no list of commits."""
        raise NoBatches
        yield  # an operation all the same

    def put_empty(self, key: str) -> Operation[str | None]:
        """Make a file of 0 bytes."""
        yield from self._asking.ask("POST", self._target.files, json=[{"key": key}], expect=(400,), busy=True)
        yield from self._asking.ask("PUT", f"{self._target.file(key)}/content", content=b"", busy=True)
        answer = yield from self._asking.ask("POST", f"{self._target.file(key)}/commit", busy=True)
        return _completed(document_of(answer, dict)).checksum

    def status(self, key: str) -> Operation[UploadStatus]:
        """The upload of a file; of stock only the plan."""
        answer = yield from self._asking.ask("GET", self._target.file(key))
        entry = document_of(answer, dict)
        if _is_ours(entry):
            status, _ = yield from ask_status(self._asking, self._upload(key))
            return status
        size = number_of(entry.get("size") or 0)
        state = "open" if _is_pending(entry) else "completed"
        plan = Plan(size, _part_size(entry) or max(1, size))
        return UploadStatus(state, size, plan.part_size, plan.parts_count, [], [], None, known=False)

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

    def _signed(self, entry: Mapping[str, Any], headers: Mapping[str, str]) -> list[SignedPart]:
        """The URLs of parts.

        Raises:
            Refused: they lead to the repository, which wants a token; a store does not.
        """
        signed = signed_parts(_links(entry).get("parts"), headers, "expiration")
        if any(part.url.startswith(f"{self._target.files}/") for part in signed):
            raise Refused(
                "This repository keeps files itself, without a store that parts could be sent to.",
                code="no_direct_upload",
                hint="Use the repository's web pages, or ask its operators for a store.",
            )
        return signed

    def _upload(self, key: str) -> str:
        return f"{self._target.file(key)}/multipart"


def _item(key: str, plan: Plan) -> dict[str, Any]:
    """What asks for an upload."""
    transfer = {"type": "M", "parts": plan.parts_count, "part_size": plan.part_size}
    return {"key": key, "size": plan.size, "transfer": transfer}


def _entries(answer: Response) -> dict[str, dict[str, Any]]:
    """The entries of an answer, by key."""
    return {of_type(entry.get("key"), str): entry for entry in objects_of(document_of(answer, dict).get("entries"))}


def _transfer(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return object_of(entry.get("transfer"))


def _part_size(entry: Mapping[str, Any]) -> int:
    """Bytes of a part, 0 where the entry does not say."""
    return number_of(_transfer(entry).get("part_size") or 0)


def _begun_plan(entry: Mapping[str, Any], plan: Plan) -> Plan:
    """The plan of an upload that somebody has begun, perhaps with another part size."""
    begun = Plan(plan.size, _part_size(entry) or plan.part_size)
    if begun.parts_count > MAX_PARTS:
        raise unexpected()
    return begun


def _links(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return object_of(entry.get("links"))


def _check_same(entry: Mapping[str, Any], plan: Plan) -> None:
    """Raise unless the upload is one of a file of this size, in such parts.

    Raises:
        Refused: it is not.
    """
    size, part_size = number_of(entry.get("size") or plan.size), _part_size(entry) or plan.part_size
    if (size, part_size) == (plan.size, plan.part_size):
        return
    hint = "Abort it first (`oarepo-s3 abort`)."
    if size == plan.size:
        hint = f"Go on with its part size of {part_size} bytes, or abort it first (`oarepo-s3 abort`)."
    raise Refused(
        "Another upload of this file is open, with another size or part size.", code="upload_exists", hint=hint
    )


def _completed(entry: Mapping[str, Any]) -> Completed:
    return Completed(checksum=optional_text(entry.get("checksum")))


def _is_pending(entry: Mapping[str, Any]) -> bool:
    return entry.get("status") == "pending"


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return "sign" in _links(entry)


def _id_of(entry: Mapping[str, Any]) -> str:
    """What tells this upload from a later one of the same file."""
    return str(entry.get("version_id") or entry.get("file_id") or entry.get("created") or "")


def listed_files(document: Mapping[str, Any]) -> list[FileInfo]:
    """The files in a list of this face."""
    return [file_info(entry, pending=_is_pending(entry)) for entry in objects_of(document.get("entries"))]
