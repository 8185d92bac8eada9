# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The upload of a file: complete, abort, inspect, sign."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify, request
from flask.typing import ResponseReturnValue
from invenio_db import db
from invenio_files_rest.models import FileInstance

from ..proxies import current_uploads
from ..rest.bodies import read_object
from ..rest.fields import load
from ..rest.part_lists import claimed_parts, wanted_urls
from ..rest.reports import page_of
from ..uploads.description import parts_with_urls
from ..uploads.models import Upload
from .owner import entry_of_upload, metadata_of_upload
from .permissions import actor
from .resource import FilesView, bucket_of
from .schemas import QuerySchema


class CompleteResource(FilesView):
    """``<item>/files/<key>/complete-multipart``."""

    def post(self, record: Any, key: str) -> ResponseReturnValue:
        """Complete the upload; again, the same answer."""
        self.check("put", record, key)
        claimed = claimed_parts(read_object(), current_uploads.context.limits.max_parts)
        upload = current_uploads.find(bucket_of(record), key)
        completed = current_uploads.complete(upload, claimed, actor())
        return jsonify({**completed_entry(completed, record), "location": self.file_url(key)})


class AbortResource(FilesView):
    """``<item>/files/<key>/abort-multipart``."""

    def post(self, record: Any, key: str) -> ResponseReturnValue:
        """Abort the upload; again, the same answer."""
        self.check("put", record, key)
        current_uploads.abort(current_uploads.find(bucket_of(record), key), actor())
        return jsonify({"key": key, "state": "aborted"})


class PartsResource(FilesView):
    """``<item>/files/<key>/parts-multipart``."""

    def get(self, record: Any, key: str) -> ResponseReturnValue:
        """State, plan, and what has arrived, as the store lists it."""
        self.check("put", record, key)
        page: int = load(QuerySchema(), request.args)["page"]
        report = current_uploads.parts(current_uploads.find(bucket_of(record), key))
        upload = report.upload
        own = {"upload_id": upload.public_id, "one_put": upload.is_one_put}
        return jsonify({**own, **page_of(report, page, self.url("parts", key))})


class SignResource(FilesView):
    """``<item>/files/<key>/sign-multipart``."""

    def post(self, record: Any, key: str) -> ResponseReturnValue:
        """Fresh URLs to put parts to, or the one to put the whole file to."""
        self.check("put", record, key)
        document = read_object()
        upload = current_uploads.find(bucket_of(record), key)
        most = current_uploads.context.rules.max_urls_per_answer
        put = current_uploads.sign_put(upload)
        if put is not None:
            return jsonify({"parts": [], "put": put.as_dict()})
        numbers, content_md5 = wanted_urls(document, upload.parts_count, most)
        return jsonify({"parts": parts_with_urls(current_uploads.sign(upload, numbers, content_md5))})


def completed_entry(upload: Upload, record: Any) -> dict[str, Any]:
    """The file's dump after completion; made from the upload, so that it stays the same when the file has gone on."""
    checksum = db.session.execute(sa.select(FileInstance.checksum).where(FileInstance.id == upload.file_id)).scalar()
    return entry_of_upload(upload, checksum, metadata_of_upload(upload, record))
