# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Routes beside the stock ones: what has arrived of a pending file, and fresh URLs."""

from typing import Any

from flask import g, jsonify, request
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from invenio_pidstore.errors import PersistentIdentifierError, PIDDeletedError
from invenio_records_resources.proxies import current_service_registry
from invenio_records_resources.services.errors import PermissionDeniedError
from marshmallow import Schema, validate
from sqlalchemy.exc import NoResultFound

from ..errors import FileNotFound, Forbidden, Gone, NotFound, UploadNotFound
from ..proxies import current_uploads
from ..rest.bodies import read_object
from ..rest.fields import WholeNumber, load
from ..rest.part_lists import wanted_urls
from ..rest.reports import page_of
from ..uploads.description import parts_with_urls
from ..uploads.models import Upload


class PageSchema(Schema):
    """What the address of a report may have."""

    page = WholeNumber(load_default=1, validate=validate.Range(1, 10**6))

    class Meta:
        """Ignore what is not declared."""

        unknown = "exclude"


class UploadView(MethodView):
    """A view of a pending file of one service, for who may set its content."""

    def __init__(self, service_id: str) -> None:
        """Serve the files of this service."""
        self._service_id = service_id

    def find(self, pid_value: str, key: str) -> Upload:
        """The upload that brings, or has brought, a file.

        :raises NotFound: there is no such record, file or upload.
        :raises Gone: the record is deleted.
        :raises Forbidden: the user may not set the file's content.
        """
        file_record = self._file_record(pid_value, key)
        version = file_record.object_version
        if version is None or version.file_id is None:
            raise UploadNotFound("There is no such upload.")
        return current_uploads.find_of_file(version.file_id)

    def _file_record(self, pid_value: str, key: str) -> Any:
        try:
            service = current_service_registry.get(self._service_id)
        except KeyError:
            raise NotFound("There is no such record.") from None
        try:
            record = service.record_cls.pid.resolve(pid_value, registered_only=False)
        except PIDDeletedError:
            raise Gone("The record is deleted.") from None
        except (PersistentIdentifierError, NoResultFound):
            raise NotFound("There is no such record.") from None
        file_record = record.files.get(key) if record.files.enabled else None
        if file_record is None:
            raise FileNotFound("The record has no such file.")
        try:
            service.require_permission(g.identity, "set_content_files", record=record, file_key=key)
        except PermissionDeniedError:
            raise Forbidden("You have no permission to do this.") from None
        return file_record


class PartsView(UploadView):
    """``<prefix>/files/<key>/multipart``."""

    def get(self, pid_value: str, key: str) -> ResponseReturnValue:
        """State, plan, and what has arrived, as the store lists it."""
        page: int = load(PageSchema(), request.args)["page"]
        report = current_uploads.parts(self.find(pid_value, key))
        return jsonify(page_of(report, page, request.base_url))


class SignView(UploadView):
    """``<prefix>/files/<key>/multipart/sign``."""

    def post(self, pid_value: str, key: str) -> ResponseReturnValue:
        """Fresh URLs to put parts to."""
        upload = self.find(pid_value, key)
        most = current_uploads.context.rules.max_urls_per_answer
        numbers, content_md5 = wanted_urls(read_object(), upload.parts_count, most)
        return jsonify({"parts": parts_with_urls(current_uploads.sign(upload, numbers, content_md5))})
