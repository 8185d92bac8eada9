# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Reconcile: settle what an interrupted request has left, and report orphans at the store and among the rows."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from ..errors import UploadAborted, UploadLost
from . import sessions
from .aborting import LEASE, Aborter
from .completing import Completer
from .context import Context
from .models import Upload
from .orphans import OrphanFinder
from .states import Event, State
from .sweeping import put_off

logger = logging.getLogger(__name__)

REPORTED = 1000
"""How many orphans of each kind a report names; with more of them the first ones tell enough."""


@dataclass
class ReconcileReport:
    """Counts of what was settled how, and the orphans as ``s3_bucket/key``.

    ``unknown`` are uploads at the store that no row knows, ``missing`` open uploads that the store no longer has.
    """

    completed: int = 0
    caught_up: int = 0
    reopened: int = 0
    lost: int = 0
    abandoned: int = 0
    failed: int = 0
    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The counts and the lists by name."""
        return asdict(self)


class Reconciler:
    """Settles interrupted uploads."""

    def __init__(self, context: Context, aborter: Aborter, completer: Completer) -> None:
        """Work with this context; aborter and completer bring each upload to an end."""
        self._context = context
        self._aborter = aborter
        self._completer = completer
        self._orphans = OrphanFinder(context)

    def reconcile(self, *, dry_run: bool = False, s3_buckets: Iterable[str] = ()) -> ReconcileReport:
        """Settle opening and completing uploads that nobody has gone on with, and list orphans.

        :param dry_run: only report, settle nothing.
        :param s3_buckets: buckets of the store to look through for orphans. They are only reported: the bucket may
            have other users.
        """
        report = ReconcileReport()
        if not dry_run:
            for batch in self._batches():
                for upload in batch:
                    self._settle(upload, report)
            self._catch_up(report)
        for s3_bucket in s3_buckets:
            report.unknown.extend(islice(self._orphans.at_store(s3_bucket), REPORTED - len(report.unknown)))
            report.missing.extend(islice(self._orphans.in_rows(s3_bucket), REPORTED - len(report.missing)))
        return report

    def _batches(self) -> Iterator[Sequence[Upload]]:
        deadline = self._context.after(self._context.rules.sweep_deadline)
        states = (State.OPENING, State.COMPLETING)
        while (now := self._context.clock()) < deadline:
            with sessions.transaction() as session:
                batch = sessions.take_due(session, states, now, self._context.rules.sweep_batch, now + LEASE)
            if not batch:
                return
            yield batch

    def _catch_up(self, report: ReconcileReport) -> None:
        """Do what was left undone for completed files; one failure ends it, as the others would fail alike."""
        with sessions.transaction() as session:
            owed = sessions.owed(session, self._context.rules.sweep_batch)
        for upload in owed:
            try:
                for owner in self._context.owners(upload.owner):
                    owner.catch_up(upload)
            except Exception:  # a broker's client may raise anything; the note stays in the row
                logger.warning("what is owed to upload %s cannot be done", upload.id, exc_info=True)
                report.failed += 1
                with sessions.transaction() as session:
                    sessions.owe(session, upload, upload.attempts + 1)
                return
            with sessions.transaction() as session:
                sessions.set_due(session, [upload], self._aborter.look_for_strays_at(upload))
            report.caught_up += 1

    def _settle(self, upload: Upload, report: ReconcileReport) -> None:
        try:
            if upload.state is State.OPENING:
                self._aborter.finish(self._aborter.begin(upload, Event.ABANDON, None, "interrupted"))
                report.abandoned += 1
            elif self._completer.settle(upload).state is State.COMPLETED:
                report.completed += 1
            else:
                report.reopened += 1
        except UploadLost:
            report.lost += 1
        except UploadAborted:  # its file was deleted meanwhile
            report.abandoned += 1
        except Exception as error:  # one bad row must not stop the rest: it is logged and kept in the row
            logger.warning("upload %s cannot be settled", upload.id, exc_info=True)
            report.failed += 1
            put_off(self._context, self._completer.current(upload), error)
