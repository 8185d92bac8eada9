# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The paths of oarepo-s3 1.4, ``<item>/files/<key>/<upload_id>/...``, as its clients still use them.

These clients send no token here. With ``S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY`` the upload id itself, 256 random bits,
is the permission for its upload, and for these four paths only; without it they need the permission to write the file.
"""

import hmac
import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from flask import current_app, got_request_exception, jsonify, request
from flask.typing import ResponseReturnValue
from invenio_rest import csrf
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.http import http_date

from ..errors import Gone, NotFound, UploadNotFound
from ..proxies import current_uploads
from ..rest.bodies import read_object
from ..rest.errors import answer_http_error
from ..rest.part_lists import claimed_parts
from ..store.contract import StoredPart
from ..uploads.description import ended, numbers_of
from ..uploads.models import Upload
from ..uploads.states import State
from .permissions import actor
from .resource import FilesView, bucket_of

logger = logging.getLogger(__name__)

CAPABILITY = "S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY"
_UPLOAD_ID = re.compile(r"[A-Za-z0-9_-]{43}")


class LegacyView(FilesView):
    """A view of an upload that is named by its id."""

    view_name: ClassVar[str]

    def dispatch_request(self, **arguments: Any) -> ResponseReturnValue:
        """Answer an error that nobody foresaw here: Flask would log the path, and the upload id is in it."""
        try:
            return super().dispatch_request(**arguments)
        except Exception as error:
            propagated = current_app.config["PROPAGATE_EXCEPTIONS"]
            if current_app.testing or current_app.debug if propagated is None else propagated:
                raise
            got_request_exception.send(current_app._get_current_object(), exception=error)  # type: ignore[attr-defined]
            logger.exception("an error in %s", request.endpoint)
            return answer_http_error(InternalServerError())

    def find_record(self) -> Any:
        """The record; where the upload id is the permission, an unknown record is an unknown upload."""
        if not is_capability():
            return super().find_record()
        try:
            return super().find_record()
        except (HTTPException, Gone):
            raise UploadNotFound("There is no such upload.") from None

    def find(self, record: Any, key: str, upload_id: str) -> Upload:
        """The upload of the path, once it is clear that the caller may change it.

        :raises UploadNotFound: there is none of this id, whatever else there may be.
        """
        if not is_capability():
            self.check("put", record, key)
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise UploadNotFound("There is no such upload.")
        try:
            upload = current_uploads.find(bucket_of(record), key, upload_id)
        except NotFound:
            raise UploadNotFound("There is no such upload.") from None
        if not hmac.compare_digest(upload.public_id, upload_id):  # not every database tells A from a
            raise UploadNotFound("There is no such upload.")
        return upload

    def actor(self) -> str | None:
        """Who did it; unknown where the id is the permission, as cookies do not count then."""
        return None if is_capability() else actor()


class LegacyPresignedResource(LegacyView):
    """``<upload_id>/<n,n,...>/presigned``."""

    view_name = "{endpoint}_presigned_part"

    def get(self, record: Any, key: str, upload_id: str, part_ids: str) -> ResponseReturnValue:
        """URLs by part number. Clients of 1.4 choose the sizes of the parts themselves."""
        upload, service = self.find(record, key, upload_id), current_uploads
        free = not upload.owner_data.get("planned")
        last = service.context.limits.max_parts if free else upload.parts_count
        numbers = numbers_of(part_ids, last, service.context.rules.max_urls_per_answer)
        signed = service.sign(service.use_free_plan(upload) if free else upload, numbers)
        return jsonify({"presignedUrls": {str(part.number): part.url for part in signed}})


class LegacyPartsResource(LegacyView):
    """``<upload_id>/parts``."""

    view_name = "{endpoint}_uploaded_parts"

    def get(self, record: Any, key: str, upload_id: str) -> ResponseReturnValue:
        """What has arrived, with the names that S3 gives."""
        upload = self.find(record, key, upload_id)
        if upload.state not in (State.OPEN, State.COMPLETING):
            raise ended(upload)
        return jsonify([_as_s3(part) for part in current_uploads.parts(upload).parts])


class LegacyCompleteResource(LegacyView):
    """``<upload_id>/complete``."""

    view_name = "{endpoint}_legacy_complete"

    def post(self, record: Any, key: str, upload_id: str) -> ResponseReturnValue:
        """Complete the upload; the checksum is the store's ETag."""
        upload = self.find(record, key, upload_id)
        claimed = claimed_parts(read_object(), current_uploads.context.limits.max_parts)
        completed = current_uploads.complete(upload, claimed, self.actor())
        return jsonify({"location": self.file_url(key), "checksum": f"etag:{completed.etag}"})


class LegacyAbortResource(LegacyView):
    """``<upload_id>/abort``."""

    view_name = "{endpoint}_legacy_abort"

    def delete(self, record: Any, key: str, upload_id: str) -> ResponseReturnValue:
        """Abort the upload."""
        current_uploads.abort(self.find(record, key, upload_id), self.actor())
        return jsonify({})


LEGACY_VIEWS: Mapping[str, type[LegacyView]] = {
    "<string(length=43):upload_id>/<part_ids>/presigned": LegacyPresignedResource,
    "<string(length=43):upload_id>/parts": LegacyPartsResource,
    "<string(length=43):upload_id>/complete": LegacyCompleteResource,
    "<string(length=43):upload_id>/abort": LegacyAbortResource,
}
"""Views by their path below the file; ids of another length belong to a file's name."""


def is_capability() -> bool:
    """Whether an upload id is a permission."""
    return bool(current_app.config[CAPABILITY])


@cache
def exempt_from_csrf() -> None:
    """Let requests whose permission is the upload id pass the check for forged ones: they take no cookie for it."""

    @csrf.before_csrf_protect
    def skip() -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        view_class = getattr(view, "view_class", None)
        if view_class is not None and issubclass(view_class, LegacyView) and is_capability():
            request.skip_csrf_check = True  # type: ignore[attr-defined]


def _as_s3(part: StoredPart) -> dict[str, Any]:
    modified = None if part.last_modified is None else http_date(part.last_modified)
    return {"PartNumber": part.number, "ETag": f'"{part.etag}"', "Size": part.size, "LastModified": modified}
