# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Sweep: end the uploads whose time is over, many at a time, on as many workers as there are.

A batch of rows is taken in one short transaction, the store is asked with bounded concurrency and no transaction, and
each row is ended in a transaction of its own, so that one that cannot be ended never holds up the others.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from invenio_files_rest.models import FileInstance

from ..errors import OARepoS3Error
from . import sessions
from .aborting import LEASE, Aborter
from .context import Context
from .models import Upload
from .states import ENDED, Event, State

logger = logging.getLogger(__name__)

Outcome = tuple[Upload, Exception | None]
"""What the store was asked to clear away, and why it could not."""

_SWEPT = (State.OPEN, State.ABORTING, State.ABORTED, State.COMPLETED, State.LOST)
"""Those that have ended are due where something of them may turn up at the store once more."""

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(days=1)


@dataclass
class SweepReport:
    """What a sweep has done: uploads expired, uploads whose abort it has finished, looked at once more, put off."""

    expired: int = 0
    aborted: int = 0
    rechecked: int = 0
    failed: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


def retry_at(now: datetime, attempts: int) -> datetime:
    """When to try again after so many failures: 1 min, doubled each time, at most a day."""
    factor: int = 2 ** min(attempts - 1, 20)
    return now + min(FIRST_RETRY * factor, LONGEST_RETRY)


def put_off(context: Context, upload: Upload, error: Exception) -> None:
    """Keep in the row why it could not be ended, and let the next try wait longer each time."""
    now, attempts = context.clock(), upload.attempts + 1
    text = error.message if isinstance(error, OARepoS3Error) else type(error).__name__
    try:
        with sessions.transaction() as session:
            sessions.update(session, upload, attempts=attempts, error=text, due_at=retry_at(now, attempts))
    except sessions.Superseded:
        logger.info("upload %s was ended by somebody else", upload.id)


def mark_orphans(session: sessions.AnySession, uploads: Sequence[Upload]) -> Sequence[Upload]:
    """The uploads, of which completed ones in one put are orphaned if their file was deleted since."""
    completed = {upload.file_uri for upload in uploads if upload.state is State.COMPLETED and upload.is_one_put}
    if not completed:
        return uploads
    orphaned = completed - set(
        session.execute(sa.select(FileInstance.uri).where(FileInstance.uri.in_(completed))).scalars()
    )
    return [replace(upload, ending=Event.ORPHANED) if upload.file_uri in orphaned else upload for upload in uploads]


class Sweeper:
    """Ends expired uploads."""

    def __init__(self, context: Context, aborter: Aborter) -> None:
        """Work with this context; the aborter ends each upload."""
        self._context = context
        self._aborter = aborter

    def sweep(self) -> SweepReport:
        """Sweep until nothing is due or the deadline is over; safe to run again and on several workers at once."""
        report = SweepReport()
        deadline = self._context.after(self._context.rules.sweep_deadline)
        outcomes: Sequence[Outcome] = ()
        with ThreadPoolExecutor(self._context.rules.sweep_concurrency) as pool:
            try:
                while self._context.clock() < deadline and (batch := self._take()):
                    clearing = [pool.submit(self._clear_one, upload) for upload in batch]
                    self._end(outcomes, report)  # those of the batch before, while the store is busy with this one
                    outcomes = [future.result() for future in clearing]
            finally:  # also when no more rows can be taken
                self._end(outcomes, report)
        return report

    def _take(self) -> Sequence[Upload]:
        """A batch of due rows, of which the open ones are expired from here on."""
        now = self._context.clock()
        with sessions.transaction() as session:
            taken = sessions.take_due(session, _SWEPT, now, self._context.rules.sweep_batch, now + LEASE)
            opened = [upload for upload in taken if upload.state is State.OPEN]
            others = mark_orphans(session, [upload for upload in taken if upload.state is not State.OPEN])
            lease: dict[str, Any] = {"due_at": now + LEASE, "ending": Event.EXPIRE}
            return [*sessions.advance_many(session, opened, Event.EXPIRE, now, **lease), *others]

    def _clear_one(self, upload: Upload) -> Outcome:
        """Ask the store; runs in a thread and touches no database."""
        try:
            self._aborter.clear_store(upload)
        except Exception as error:  # kept in the row; a client of the operator's own may raise anything
            logger.warning("upload %s cannot be cleared at the store", upload.id, exc_info=True)
            return upload, error
        return upload, None

    def _end(self, outcomes: Sequence[Outcome], report: SweepReport) -> None:
        cleared = [upload for upload, error in outcomes if error is None]
        try:
            self._end_rows(cleared, report)
        except Exception:
            logger.warning("a batch cannot be ended at once, so it is done one by one", exc_info=True)
            outcomes = [*outcomes, *((upload, self._end_one(upload, report)) for upload in cleared)]
        for upload, error in outcomes:
            if error is not None:
                report.failed += 1
                put_off(self._context, upload, error)
        logger.info("sweep goes on: %s", report.as_dict())

    def _end_one(self, upload: Upload, report: SweepReport) -> Exception | None:
        try:
            self._end_rows([upload], report)
        except Exception as error:  # one bad row must not stop the rest: it is logged and kept in the row
            logger.exception("upload %s cannot be ended", upload.id)
            return error
        return None

    def _end_rows(self, uploads: Sequence[Upload], report: SweepReport) -> None:
        rechecked = [upload for upload in uploads if upload.state in ENDED]
        if rechecked:
            with sessions.transaction() as session:
                sessions.set_due(session, rechecked, None)
        aborting = [upload for upload in uploads if upload.state is State.ABORTING]
        ended = self._aborter.finish_many(aborting) if aborting else []
        expired = sum(upload.ending == Event.EXPIRE for upload in ended)
        report.rechecked += len(rechecked)
        report.expired += expired
        report.aborted += len(ended) - expired
