# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Lists of uploads to open and to complete, each answered as it would be by itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from invenio_db import db
from werkzeug.exceptions import HTTPException

from ..errors import BadRequest, InvalidKey, OARepoS3Error, UploadNotFound
from ..proxies import current_uploads
from ..rest.errors import body_of, http_body_of
from ..rest.fields import invalid_fields
from ..rest.part_lists import claimed_parts
from ..uploads.description import first_numbers, numbers_of
from ..uploads.models import Upload
from ..uploads.opening import Opened, OpenRequest
from ..uploads.plan import Plan
from .owner import checksums_of, entry_of_upload, metadata_of_upload
from .permissions import actor
from .resource import bucket_of
from .schemas import NewUpload, new_upload

if TYPE_CHECKING:
    from .views import FilesResource

Body = dict[str, Any]
Result = TypeVar("Result")


class Batch:
    """The list of a request, and what is answered to each of its entries."""

    def __init__(self, view: "FilesResource", record: Any, entries: Any) -> None:
        """Answer in the name of the view.

        :raises BadRequest: this is no list, or too long a one.
        :raises NotFound: the record has no files.
        """
        rules = current_uploads.context.rules
        if not isinstance(entries, list):
            raise BadRequest("The body has to be a JSON list.")
        if len(entries) > rules.batch_limit:
            raise BadRequest(f"At most {rules.batch_limit} files can be in one request.", limit=rules.batch_limit)
        self._view = view
        self._record = record
        self._entries = entries
        self._bucket_id = bucket_of(record)
        self._answers: dict[int, Body] = {}
        self._urls_left = rules.max_urls_per_answer

    def open(self, defaults: Mapping[str, Any]) -> Sequence[Body]:
        """Open uploads.

        :param defaults: fields in the request's address, for entries that do not have them.
        """
        asked: dict[int, tuple[NewUpload, OpenRequest]] = {}
        for place, entry in enumerate(self._entries):
            with self._answering(place):
                self._check(entry)
                wanted = new_upload({**defaults, **entry})
                request = self._view.request_of(self._record, wanted, self._bucket_id)
                self._check_numbers(wanted, current_uploads.plan_of(request))
                asked[place] = (wanted, request)
        results = current_uploads.batches.open([request for _, request in asked.values()])
        resumed = [one.upload for one in results if isinstance(one, Opened) and one.resumed]
        reports = dict(zip([one.id for one in resumed], current_uploads.batches.parts(resumed), strict=True))
        for (place, (wanted, _)), result in zip(asked.items(), results, strict=True):
            with self._answering(place):
                opened = _good(result)
                report = reports.get(opened.upload.id)
                numbers = self._numbers(opened.upload, wanted)
                body = self._view.opened(opened.upload, numbers, None if report is None else _good(report))
                self._answers[place] = {**body, "status": 201}
        return self._in_order()

    def complete(self) -> Sequence[Body]:
        """Complete uploads."""
        claims: dict[str, tuple[int, Mapping[int, str]]] = {}
        for place, entry in enumerate(self._entries):
            with self._answering(place):
                key = self._check(entry)
                if key in claims:
                    raise InvalidKey("The file is in the list twice.")
                claims[key] = (place, claimed_parts(entry, current_uploads.context.limits.max_parts) or {})
        found = current_uploads.batches.find(self._bucket_id, list(claims))
        results = current_uploads.batches.complete([(upload, claims[key][1]) for key, upload in found.items()], actor())
        by_key = dict(zip(found, results, strict=True))
        checksums = checksums_of(db.session, [one for one in results if isinstance(one, Upload)])
        for key, (place, _) in claims.items():
            with self._answering(place):
                upload = _good(by_key.get(key) or UploadNotFound("There is no such upload."))
                metadata = metadata_of_upload(upload, self._record)
                body = entry_of_upload(upload, checksums.get(upload.file_id), metadata)
                self._answers[place] = {**body, "location": self._view.file_url(key), "status": 200}
        return self._in_order()

    def _check(self, entry: Any) -> str:
        """The key of an entry, whose file the current user may put."""
        if not isinstance(entry, dict):
            raise BadRequest("Each entry has to be a JSON object.")
        key = entry.get("key")
        if not isinstance(key, str):
            raise invalid_fields({"key": "Not a valid string." if "key" in entry else "Missing."})
        if self._view.endpoint.permissions.is_keyed("put"):  # else it has been checked for all of them
            self._view.check("put", self._record, key)
        return key

    def _check_numbers(self, wanted: NewUpload, plan: Plan) -> None:
        """Refuse before anything is opened what the answer could not carry."""
        if wanted.parts is not None:
            numbers_of(wanted.parts, plan.parts_count, self._urls_left)

    def _numbers(self, upload: Upload, wanted: NewUpload) -> list[int]:
        """The parts whose URLs the answer carries; all files together have no more than one alone could."""
        if upload.is_one_put:
            return []
        if wanted.parts is not None:
            numbers = numbers_of(wanted.parts, upload.parts_count, self._urls_left)
        else:
            usual = current_uploads.context.rules.urls_per_answer
            numbers = first_numbers(upload, min(usual, self._urls_left))
        self._urls_left -= len(numbers)
        return numbers

    @contextmanager
    def _answering(self, place: int) -> Iterator[None]:
        """Let an error be the answer to this entry."""
        try:
            yield
        except OARepoS3Error as error:
            self._answers[place] = {**body_of(error), "key": self._key(place)}
        except HTTPException as error:
            self._answers[place] = {**http_body_of(error), "key": self._key(place)}

    def _key(self, place: int) -> str | None:
        entry = self._entries[place]
        key = entry.get("key") if isinstance(entry, dict) else None
        return key if isinstance(key, str) else None

    def _in_order(self) -> Sequence[Body]:
        return [self._answers[place] for place in range(len(self._entries))]


def _good(result: Result | OARepoS3Error) -> Result:
    if isinstance(result, OARepoS3Error):
        raise result
    return result
