# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What all views have in common: the record, the permission, the addresses, the answer to errors."""

import uuid
from functools import partial
from typing import Any

import sqlalchemy as sa
from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from invenio_base.utils import obj_or_import_string
from invenio_db import db
from werkzeug.exceptions import HTTPException

from ..errors import Gone, NotFound, OARepoS3Error
from ..proxies import current_uploads
from ..rest.errors import answer_error, answer_http_error
from ..uploads.description import numbers_of
from ..uploads.models import Upload
from .endpoints import Endpoint
from .entries import is_deleted
from .permissions import Action, show_view_to_factories
from .plain_files import Place

VIEW_NAMES = {
    "files": "{endpoint}_files",
    "file": "{endpoint}_file",
    "complete": "{endpoint}_upload_complete",
    "abort": "{endpoint}_upload_abort",
    "parts": "{endpoint}_upload_parts",
    "sign": "{endpoint}_upload_sign",
}
"""Names of the views below their blueprint, with the name of the endpoint to be filled in."""

_OWN_ARGUMENTS = ("key", "upload_id", "part_ids")


class FilesView(MethodView):
    """A view of a record's files.

    Subclasses have a method for each HTTP method, which gets ``record`` and the arguments of the path.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Serve the records of this endpoint."""
        self.endpoint = endpoint

    def dispatch_request(self, **arguments: Any) -> ResponseReturnValue:
        """Find the record and call the method; any error becomes an answer, on whatever blueprint the view is."""
        try:
            arguments.pop("pid_value")
            return super().dispatch_request(record=self.find_record(), **arguments)
        except OARepoS3Error as error:
            return answer_error(error)
        except HTTPException as error:
            return answer_http_error(error)

    def find_record(self) -> Any:
        """The record of the path.

        :raises HTTPException: there is none, or it has moved.
        :raises Gone: it is deleted.
        """
        assert request.view_args is not None
        _, record = request.view_args["pid_value"].data
        if is_deleted(record):
            raise Gone("The record is deleted.")
        return record

    def check(self, action: Action, record: Any, key: str | None) -> None:
        """Refuse what the current user may not do; see :meth:`.permissions.FilePermissions.check`."""
        show_view_to_factories(self)
        self.endpoint.permissions.check(action, record, key)

    @property
    def search_class(self) -> Any:
        """What invenio-records-rest's own default for reading asks whether the record is indexed."""
        search_class = obj_or_import_string(self.endpoint.search_class or "invenio_search:RecordsSearch")
        index = self.endpoint.search_index
        return partial(search_class, index=index) if index else search_class

    def place(self, record: Any, key: str) -> Place:
        """Where the file is kept.

        :raises NotFound: the record has no files.
        """
        return Place(bucket_of(record), key, self.endpoint.record_class)

    def url(self, view: str, key: str) -> str:
        """Address of one of our views for a file."""
        return self._url("." + VIEW_NAMES[view].format(endpoint=self.endpoint.code), key)

    def file_url(self, key: str) -> str:
        """Address that the file can be downloaded from."""
        return self._url(self.endpoint.file_view, key)

    def session(self, upload: Upload, numbers: list[int] | None) -> dict[str, Any]:
        """All that an uploader needs, with our addresses in it."""
        return current_uploads.session(
            upload,
            numbers,
            complete_url=self.url("complete", upload.key),
            abort_url=self.url("abort", upload.key),
            parts_page_url=self.url("parts", upload.key),
            sign_url=self.url("sign", upload.key),
        )

    def _url(self, view: str, key: str) -> str:
        path = {
            name: getattr(value, "value", value)
            for name, value in (request.view_args or {}).items()
            if name not in _OWN_ARGUMENTS
        }
        return url_for(view, key=key, _external=True, **path)


def bucket_of(record: Any) -> uuid.UUID:
    """Id of the record's bucket, as the database links them: the metadata may say anything.

    :raises NotFound: the record has none.
    """
    from invenio_records_files.models import RecordsBuckets

    query = sa.select(RecordsBuckets.bucket_id).where(RecordsBuckets.record_id == record.id)
    linked: list[uuid.UUID] = list(db.session.execute(query).scalars())
    if not linked:
        raise NotFound("The record has no files.")
    return next((one for one in linked if str(one) == record.get("_bucket")), linked[0])


def wanted_numbers(parts: str | None, parts_count: int) -> list[int] | None:
    """Part numbers of ``?parts=``, or None if the setting decides.

    :raises BadRequest: they cannot be read, are too many, or the upload does not have them.
    """
    if parts is None:
        return None
    return numbers_of(parts, parts_count, current_uploads.context.rules.max_urls_per_answer)
