# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Sends the signals of an upload's life, with the file and the record that they are about."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from invenio_db import db
from invenio_files_rest.models import ObjectVersion
from invenio_files_rest.signals import file_uploaded

from . import signals
from .uploads.context import Owner
from .uploads.description import config_of
from .uploads.models import Upload

logger = logging.getLogger(__name__)

_BEFORE = {"complete": signals.before_upload_complete, "abort": signals.before_upload_abort}
_AFTER = {
    "complete": signals.after_upload_complete,
    "abort": signals.after_upload_abort,
    "expire": signals.after_upload_expire,
}


class SignalAnnouncer:
    """Announces by the signals of :mod:`oarepo_s3.signals`, and by invenio-files-rest's ``file_uploaded``."""

    def __init__(self, owners: Callable[[str | None], Sequence[Owner]], app: Callable[[], Any]) -> None:
        """The owners know the record of an upload; the application is who sends Invenio's own signals."""
        self._owners = owners
        self._app = app

    def before(self, event: str, upload: Upload, **facts: Any) -> None:
        """Send the ``before_`` signal; what a receiver raises reaches the caller."""
        signal = _BEFORE[event]
        if signal.receivers:
            sender, about = self._about(upload)
            signal.send(sender, **about, **facts)
            db.session.commit()  # ends a transaction in which a receiver has read, or keeps what it has written

    def after(self, event: str, upload: Upload) -> None:
        """Send the ``after_`` signal; what a receiver raises is logged, as nothing can be taken back."""
        try:
            self._send_after(event, upload)
        except Exception:
            db.session.rollback()
            logger.exception("a receiver of after_upload_%s failed", event)

    def _send_after(self, event: str, upload: Upload) -> None:
        signal = _AFTER[event]
        if signal.receivers:
            sender, about = self._about(upload)
            signal.send(sender, **about)
        if event == "complete" and file_uploaded.receivers:
            version = db.session.get(ObjectVersion, upload.version_id)
            file_uploaded.send(self._app(), obj=version)

    def _about(self, upload: Upload) -> tuple[Any, dict[str, Any]]:
        file, record = self._subject(upload)
        return file, {"record": record, "file": file, "upload": upload, "multipart_config": config_of(upload)}

    def _subject(self, upload: Upload) -> tuple[Any, Any]:
        for owner in self._owners(upload.owner):
            subject = owner.subject(upload)
            if subject is not None:
                return subject
        return db.session.get(ObjectVersion, upload.version_id), None
