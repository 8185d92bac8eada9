# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The files of a record: list, create, download, replace, delete."""

import os
import uuid
from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from invenio_files_rest.models import ObjectVersion
from invenio_files_rest.signals import file_deleted, file_downloaded, file_uploaded

from ..errors import FileNotFound, UploadCompleted
from ..proxies import current_uploads
from ..rest.bodies import read_form_or_json, read_form_or_object, read_json
from ..rest.fields import invalid_fields, load
from ..uploads.description import PartsReport, arrived
from ..uploads.keys import check_key
from ..uploads.models import Upload
from ..uploads.opening import OpenRequest
from .batch_views import Batch
from .entries import find_entry, metadata_of
from .owner import entry_of_upload, entry_of_version
from .permissions import actor
from .plain_files import Place, check_unlocked, delete_head, heads, readable_head, store_stream
from .resource import FilesView, bucket_of, wanted_numbers
from .schemas import (
    QUERY_FIELDS,
    NewUpload,
    QuerySchema,
    check_not_reserved,
    new_file,
    new_upload,
)


class FilesResource(FilesView):
    """``<item>/files/``."""

    def get(self, record: Any) -> ResponseReturnValue:
        """The files, in the order of the record; pending uploads are shown to those who may write the file."""
        self.check("get", record, None)
        bucket_id = bucket_of(record)
        entries = {entry["key"]: entry for entry in record.get("_files") or ()}
        pending = {upload.key: upload for upload in current_uploads.pending(bucket_id)}
        order = {key: position for position, key in enumerate(entries)}
        versions = sorted(heads(bucket_id), key=lambda version: order.get(version.key, len(order)))
        permissions = self.endpoint.permissions
        if permissions.is_keyed("get"):
            versions = [version for version in versions if permissions.allows("get", record, version.key)]
        return jsonify([self._listed(record, version, entries, pending.get(version.key)) for version in versions])

    def post(self, record: Any) -> ResponseReturnValue:
        """Open an upload or a list of them if ``?multipart=True``, complete a list of them if ``?complete=True``.

        Else take the one file that is in the form.
        """
        if not self.endpoint.permissions.is_keyed("put"):
            self.check("put", record, None)  # before a body is read for nothing
        query = load(QuerySchema(), request.args)
        if query["complete"]:
            return jsonify(Batch(self, record, read_json()).complete())
        if query["multipart"]:
            return self._open(record)
        return self._store(record)

    def _open(self, record: Any) -> ResponseReturnValue:
        defaults, body = {name: request.args[name] for name in QUERY_FIELDS & request.args.keys()}, read_form_or_json()
        if isinstance(body, list):
            return jsonify(Batch(self, record, body).open(defaults))
        given = defaults | body
        self.check("put", record, _key_of(given))
        wanted = new_upload(given)
        asked = self.request_of(record, wanted, bucket_of(record))
        wanted_numbers(wanted.parts, current_uploads.plan_of(asked).parts_count)  # refused before anything is opened
        opened = current_uploads.open(asked)
        numbers = wanted_numbers(wanted.parts, opened.upload.parts_count)
        report = current_uploads.parts(opened.upload) if opened.resumed else None
        return jsonify(self.opened(opened.upload, numbers, report)), 201

    def request_of(self, record: Any, wanted: NewUpload, bucket_id: uuid.UUID) -> OpenRequest:
        """What the use cases are asked for."""
        owner_data = {"metadata": wanted.metadata, "planned": wanted.part_size is not None}
        if self.endpoint.record_class is not None:
            owner_data["record_class"] = self.endpoint.record_class
        if "_files" not in record:
            owner_data["first_file"] = True
        return OpenRequest(
            bucket_id=bucket_id,
            key=wanted.key,
            size=wanted.size,
            part_size=wanted.part_size,
            content_type=wanted.content_type,
            fingerprint=wanted.fingerprint,
            checksum=wanted.checksum,
            content_md5=wanted.content_md5,
            owner="records_files",
            owner_data=owner_data,
            actor=actor(),
        )

    def opened(self, upload: Upload, numbers: list[int] | None, report: PartsReport | None) -> dict[str, Any]:
        """The answer to the opening.

        :param numbers: the parts whose URLs it carries, or None for the usual ones.
        :param report: what has arrived of an upload that was there before, or None.
        """
        session = self.session(upload, numbers)
        if report is not None:
            session["uploaded_parts"] = arrived(report.parts)
        return {
            **entry_of_upload(upload, None, upload.owner_data.get("metadata", {})),
            "multipart_upload": session,
            "expiration": upload.expires_at.isoformat(),
            "uploadId": upload.public_id,
        }

    def _store(self, record: Any) -> ResponseReturnValue:
        given = read_form_or_object()
        self.check("put", record, _key_of(given))
        uploaded = list(request.files.values())
        if len(uploaded) != 1:
            raise invalid_fields({"file": "A form with exactly one file is needed, or ?multipart=True."})
        wanted, stream = new_file(given), uploaded[0].stream
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        place = self.place(record, wanted.key)
        return stored(place, stream, size, wanted.metadata)

    def _listed(
        self, record: Any, version: ObjectVersion, entries: Mapping[str, dict[str, Any]], pending: Upload | None
    ) -> dict[str, Any]:
        entry = entry_of_version(version, metadata_of(entries.get(version.key)))
        if pending is not None and self.endpoint.permissions.allows("put", record, version.key):
            entry["readable"] = version.file_id != pending.file_id
            entry["multipart_upload"] = summary_of(pending)
        return entry


class FileResource(FilesView):
    """``<item>/files/<key>``."""

    def get(self, record: Any, key: str) -> ResponseReturnValue:
        """Redirect to the store, or whatever the file's storage does."""
        self.check("get", record, key)
        version = readable_head(bucket_of(record), key)
        if version is None:
            raise FileNotFound("The record has no such file.")
        file_downloaded.send(_app(), obj=version)
        restricted, as_attachment = (
            option(record=record, obj=version, key=key) if callable(option) else option
            for option in (self.endpoint.restricted, self.endpoint.as_attachment)
        )
        response: Response = version.send_file(
            restricted=restricted, as_attachment=as_attachment or "download" in request.args
        )
        return response

    def put(self, record: Any, key: str) -> ResponseReturnValue:
        """Take the body as the new version of the file."""
        self.check("put", record, key)
        check_not_reserved(key)
        metadata = metadata_of(find_entry(record, key))
        return stored(self.place(record, key), request.stream, request.content_length, metadata)

    def delete(self, record: Any, key: str) -> ResponseReturnValue:
        """Abort the pending upload of the file if there is one, and delete the readable version if there is one."""
        self.check("delete", record, key)
        place = self.place(record, key)
        check_unlocked(place.bucket_id)
        pending = current_uploads.find_pending(place.bucket_id, key)
        if pending is not None:
            _abort(pending)
        deleted = delete_head(place)
        if deleted is not None:
            file_deleted.send(_app(), obj=deleted)
        elif pending is None:
            raise FileNotFound("The record has no such file.")
        return "", 204


def stored(place: Place, stream: Any, size: int | None, metadata: dict[str, Any]) -> ResponseReturnValue:
    """Send a stream through the parent storage and answer with the file."""
    check_key(place.key, current_uploads.context.rules.max_key_length)
    version = store_stream(place, stream, size, metadata)
    file_uploaded.send(_app(), obj=version)
    return jsonify(entry_of_version(version, metadata)), 201


def summary_of(upload: Upload) -> dict[str, Any]:
    """What lists show of a pending upload; no URLs."""
    return {
        "id": str(upload.id),
        "upload_id": upload.public_id,
        "state": str(upload.state),
        "size": upload.size,
        "part_size": upload.part_size,
        "parts_count": upload.parts_count,
        "expires_at": upload.expires_at.isoformat(),
    }


def _abort(upload: Upload) -> None:
    try:
        current_uploads.abort(upload, actor(), "file deleted")
    except UploadCompleted:  # it was just completing: there is a file now, and that is to be deleted
        return


def _key_of(given: Mapping[str, Any]) -> str | None:
    key = given.get("key")
    return key if isinstance(key, str) else None


def _app() -> Any:
    return current_app._get_current_object()  # type: ignore[attr-defined]
