# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The multipart transfer, in place of the stock one of the same type.

A unit of work only holds the database's part of each step; the store is asked by the operations that follow its commit.
"""

from functools import partial
from typing import Any, BinaryIO, NoReturn

from invenio_db import db
from invenio_files_rest.errors import InvalidKeyError
from invenio_files_rest.models import ObjectVersion
from invenio_records_resources.services.files.schema import BaseTransferSchema
from invenio_records_resources.services.files.transfer import LocalTransfer as StockLocalTransfer
from invenio_records_resources.services.files.transfer import MultipartTransfer as StockMultipartTransfer
from marshmallow import fields
from sqlalchemy.exc import IntegrityError

from ..errors import UploadExists
from ..proxies import current_uploads
from ..uploads.models import Upload
from .deletion import connect
from .file_rows import drop_deleted, lock_row
from .links import links_of
from .operations import CompleteUploadOp, OpenUploadsOp
from .requests import request_of

connect()  # wherever the transfer is, uploads end with the records of their files

_ELSEWHERE = ("key", "transfer", "checksum")
"""What a file record does not keep of the metadata: a declared checksum is no truth."""


class MultipartTransfer(StockMultipartTransfer):
    """Transfers a file in parts, straight from the depositor to the store."""

    class Schema(BaseTransferSchema):
        """``parts`` and ``part_size`` in bytes; the server plans what is left out."""

        parts = fields.Int()
        part_size = fields.Int()

    def init_file(self, record: Any, file_metadata: dict[str, Any], **_: Any) -> Any:
        """Reserve the file and its size; the store opens the upload after the unit of work has committed.

        Again for the same key, size, plan and checksum: the same file record, as long as it is pending.

        :raises OARepoS3Error: key, size, plan or checksum cannot be, there is no room, or another upload is pending.
        """
        claimed = current_uploads.claim_within(request_of(self.file_service, record, file_metadata))
        upload = claimed.upload
        if claimed.replaced is not None:
            record.files.entries.pop(self.key, None)  # it is gone from the database
        if claimed.resumed:
            file_record = _pending_record(record, upload)
        else:
            file_record = _create_record(record, upload, file_metadata)
        OpenUploadsOp.of(self.uow).add(upload, file_record, fresh=not claimed.resumed)
        return file_record

    def set_file_content(self, stream: BinaryIO, content_length: int | None) -> NoReturn:
        """Refuse it, and change nothing.

        :raises UploadExists: always.
        """
        raise UploadExists("The file is being uploaded in parts; complete or delete it first.")

    def set_file_multipart_content(self, part: int, stream: BinaryIO, content_length: int | None) -> NoReturn:
        """Refuse it, and change nothing: parts go straight to the store.

        :raises UploadExists: always.
        """
        raise UploadExists("Parts of this file go straight to the store, by the URLs in its links.")

    def commit_file(self) -> None:
        """Complete the upload after the unit of work has committed.

        :raises UploadNotFound: no upload of ours is to bring the file.
        """
        upload = current_uploads.of_file(self.file_record.object_version.file_id)
        self.uow.register(CompleteUploadOp(upload, self.file_record))

    def delete_file(self) -> None:
        """Nothing is left to do: the upload ends with the file's record, however that is deleted."""

    def expand_links(self, identity: Any, self_url: str) -> dict[str, Any]:
        """Links of the pending file; those to its parts only for who may set its content."""
        return links_of(self.file_service, self.record, self.file_record, identity, self_url)


def _create_record(record: Any, upload: Upload, file_metadata: dict[str, Any]) -> Any:
    """Make the file record; the stock code looks neither for one that was deleted nor for one made a moment ago."""
    data = {name: value for name, value in file_metadata.items() if name not in _ELSEWHERE}
    plan = {"parts": upload.parts_count, "part_size": upload.part_size}
    transfer = {"type": MultipartTransfer.transfer_type, **plan}
    create = partial(record.files.create, upload.key, data=data, transfer=transfer)
    try:
        return create(obj=db.session.get(ObjectVersion, upload.version_id))
    except IntegrityError:
        if not drop_deleted(db.session, record.files.file_cls.model_cls, record.id, upload.key):
            raise InvalidKeyError(description=f"File with key {upload.key} already exists.") from None
    return create(obj=db.session.get(ObjectVersion, upload.version_id))


def _pending_record(record: Any, upload: Upload) -> Any:
    """The file record of an upload; it may have been made since the record's files were read."""
    files = record.files
    found = files.entries.get(upload.key)
    if found is None:
        row = lock_row(db.session, files.file_cls.model_cls.__tablename__, upload.version_id)
        if row is not None and not row.is_deleted:
            found = files.entries[upload.key] = files.file_cls(row.data, model=row)
    if found is None or found.object_version_id != upload.version_id:
        raise UploadExists("Another upload of this file is pending; complete or abort it first.")
    return found


class LocalTransfer(StockLocalTransfer):
    """Commits a file that is complete already without writing it again.

    What an upload has brought is a local file from then on. The stock commit of such a file writes its record once
    more, and is answered 500 if the task that extracts metadata writes it in the same moment.
    """

    def commit_file(self) -> None:
        """Commit the file; again, nothing is done."""
        version = self.file_record.object_version
        if version is None or not version.is_head or not self.file_record.is_readable:
            super().commit_file()
