# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Extraction of a file's metadata after its commit, with or without a broker at hand."""

import logging
from typing import Any

from invenio_db.uow import UnitOfWork
from invenio_records_resources.services.files.components import FileProcessorComponent as StockProcessorComponent
from invenio_records_resources.services.uow import TaskOp
from invenio_records_resources.tasks import extract_file_metadata
from kombu.exceptions import OperationalError

from ..errors import UploadNotFound
from ..proxies import current_uploads

logger = logging.getLogger(__name__)


class FileProcessorComponent(StockProcessorComponent):
    """In place of the stock component: a broker that is down does not turn the commit of an upload into an error."""

    def commit_file(self, identity: Any, id_: str, file_key: str, record: Any) -> None:
        """Have the metadata extracted after the commit."""
        self.uow.register(ExtractionOp(self.service.id, id_, file_key, record.files[file_key]))


class ExtractionOp(TaskOp):
    """Sends the task; for a file that an upload has brought, no broker means later."""

    def __init__(self, service_id: str, record_id: str, file_key: str, file_record: Any) -> None:
        """Extract the metadata of this file."""
        super().__init__(extract_file_metadata, service_id, record_id, file_key)
        self._file_record = file_record

    def on_post_commit(self, uow: UnitOfWork) -> None:
        """Send the task, or note that it is owed.

        :raises OperationalError: there is no broker, and no upload of ours has brought the file.
        """
        try:
            super().on_post_commit(uow)
        except OperationalError:
            try:
                upload = current_uploads.find_of_file(self._file_record.object_version.file_id)
            except UploadNotFound:
                upload = None
            if upload is None:
                raise
            logger.warning("no broker takes the task for upload %s; reconciling sends it", upload.id, exc_info=True)
            current_uploads.owe(upload)
