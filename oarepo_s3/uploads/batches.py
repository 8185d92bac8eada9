# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Many uploads at a time: as if each were asked for by itself, with the work of the database done in bulk.

A result is what the single call answers, or the error that it raises: one bad file does not fail the others.
"""

import uuid
from collections.abc import Mapping, Sequence

from ..errors import OARepoS3Error
from . import sessions
from .aborting import Aborter
from .batch_completing import BatchCompleter, Claims, CompleteResult
from .batch_opening import BatchOpener, OpenResult
from .completing import Completer
from .context import Context
from .description import PartsReport
from .lanes import in_parallel
from .models import Upload, slot_of
from .opening import Opener
from .requests import OpenRequest
from .verifying import report_of


class Batches:
    """Finds, opens, looks at and completes many uploads."""

    def __init__(self, context: Context, aborter: Aborter, opener: Opener, completer: Completer) -> None:
        """Work with this context, and with those who do the single steps."""
        self._context = context
        self._opener = BatchOpener(context, opener)
        self._completer = BatchCompleter(context, aborter, completer)

    def find(self, bucket_id: uuid.UUID, keys: Sequence[str]) -> Mapping[str, Upload]:
        """The pending upload of each key, or else its last one; keys without any are left out."""
        slots = [slot_of(bucket_id, key) for key in keys]
        with sessions.transaction() as session:
            active = sessions.get_all_active(session, slots)
            rest = set(slots) - {upload.slot for upload in active}
            ended = sessions.get_all_latest(session, rest) if rest else []
        return {upload.key: upload for upload in (*ended, *active)}

    def open(self, requests: Sequence[OpenRequest]) -> list[OpenResult]:
        """Open uploads; see :meth:`oarepo_s3.uploads.batch_opening.BatchOpener.open`."""
        return self._opener.open(requests)

    def parts(self, uploads: Sequence[Upload]) -> list[PartsReport | OARepoS3Error]:
        """What has arrived of each; see :meth:`oarepo_s3.uploads.service.UploadService.parts`."""
        return in_parallel(self._report, uploads)

    def complete(self, uploads: Sequence[tuple[Upload, Claims]], actor: str | None = None) -> list[CompleteResult]:
        """Complete uploads; see :meth:`oarepo_s3.uploads.batch_completing.BatchCompleter.complete`."""
        return self._completer.complete(uploads, actor)

    def _report(self, upload: Upload) -> PartsReport | OARepoS3Error:
        try:
            return report_of(self._context, upload)
        except OARepoS3Error as error:
            return error
