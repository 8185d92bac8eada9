# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What follows the commit of a unit of work: here alone the store is asked, outside of any transaction."""

import logging
from dataclasses import dataclass
from typing import Any, Self
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from invenio_db import db
from invenio_db.uow import Operation, UnitOfWork
from kombu.exceptions import OperationalError

from ..errors import FileNotFound
from ..proxies import current_uploads
from ..reading_back import request_md5
from ..uploads.models import Upload
from .links import mark_opened
from .requests import actor

logger = logging.getLogger(__name__)

_OPENING: WeakKeyDictionary[UnitOfWork, "OpenUploadsOp"] = WeakKeyDictionary()


@dataclass
class _Claim:
    upload: Upload
    file_record: Any
    fresh: bool


class OpenUploadsOp(Operation):
    """Opens the uploads that a unit of work has claimed: all of them, or none."""

    def __init__(self) -> None:
        """Begin with no upload."""
        self._claims: list[_Claim] = []

    @classmethod
    def of(cls, uow: UnitOfWork) -> Self:
        """The one operation of a unit of work."""
        operation = _OPENING.get(uow)
        if operation is None:
            operation = _OPENING[uow] = cls()
            uow.register(operation)
        return operation

    def add(self, upload: Upload, file_record: Any, *, fresh: bool) -> None:
        """Open this one, too.

        :param fresh: whether it was claimed in this unit of work, and has to go should another one fail.
        """
        if all(claim.upload.id != upload.id for claim in self._claims):
            self._claims.append(_Claim(upload, file_record, fresh))

    def on_post_commit(self, uow: UnitOfWork) -> None:
        """Open them, and let the answer show their parts.

        :raises StoreError: the store did not open one; nothing is left of the others.
        """
        try:
            for claim in self._claims:
                claim.upload = current_uploads.open_claimed(claim.upload, actor())
        except Exception:
            current_uploads.abandon([claim.upload for claim in self._claims if claim.fresh])
            raise
        for claim in self._claims:
            mark_opened(claim.file_record, claim.upload)


class CompleteUploadOp(Operation):
    """Completes an upload."""

    def __init__(self, upload: Upload, file_record: Any) -> None:
        """Complete this upload; the file record is what the answer shows."""
        self._upload = upload
        self._file_record = file_record
        self._completed: Upload | None = None

    def on_post_commit(self, uow: UnitOfWork) -> None:
        """Complete it, and bring the file record up to date.

        :raises OARepoS3Error: as :meth:`oarepo_s3.uploads.service.UploadService.complete`; what else the unit of work
            wanted to do after its commit is then left undone.
        """
        self._completed = current_uploads.complete(self._upload, None, actor())
        _read_again(self._file_record)
        try:
            request_md5(self._completed.file_id)
        except OperationalError:
            logger.warning("no broker takes the task for upload %s", self._completed.id, exc_info=True)
            current_uploads.owe(self._completed)

    def on_exception(self, uow: UnitOfWork, exception: Exception) -> None:
        """Note that what was to follow, the extraction of metadata, was left undone although the file is there."""
        if self._completed is not None:
            current_uploads.owe(self._completed)


def _read_again(file_record: Any) -> None:
    """Fill the record with what the database has now.

    :raises FileNotFound: it was deleted meanwhile.
    """
    entity = type(file_record.model)
    (file_id,) = sa.inspect(file_record.model).identity
    model = db.session.get(entity, file_id, populate_existing=True)
    if model is None or model.is_deleted:
        raise FileNotFound("The file was deleted while its upload was completing.")
    file_record.clear()
    file_record.update(model.data)
