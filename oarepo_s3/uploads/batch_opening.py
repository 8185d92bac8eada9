# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Open many uploads: one transaction claims them all, the store is asked side by side."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from invenio_files_rest.models import Bucket
from sqlalchemy.orm import Session, scoped_session

from ..errors import InvalidKey, OARepoS3Error
from . import files, sessions
from .claiming import begin, check_same, plan_of
from .context import Context
from .lanes import alone, in_parallel
from .models import Upload, slot_of
from .opening import Opener
from .plan import Plan
from .requests import Opened, OpenRequest
from .states import State

logger = logging.getLogger(__name__)

OpenResult = Opened | OARepoS3Error
Wanted = Mapping[int, tuple[OpenRequest, Plan]]
"""What is asked for, by its place in the batch."""


class BatchOpener:
    """Opens many uploads at a time."""

    def __init__(self, context: Context, opener: Opener) -> None:
        """Work with this context; the opener opens those that need more than a new row."""
        self._context = context
        self._opener = opener

    def open(self, requests: Sequence[OpenRequest]) -> list[OpenResult]:
        """Open uploads; the results are in the order of the requests.

        A key that is there twice is refused the second time.
        """
        results: dict[int, OpenResult] = {}
        wanted = self._planned(requests, results)
        claimed = self._claimed(wanted, results)
        opening = [(place, upload) for place, upload in claimed.items() if upload.state is State.OPENING]
        results |= {place: Opened(upload, resumed=False) for place, upload in claimed.items()}
        answers = in_parallel(self._opener.ask_store, [upload for _, upload in opening])
        for (place, upload), answer in zip(opening, answers, strict=True):
            noted = alone(partial(self._opener.note_created, upload, answer, requests[place].actor))
            results[place] = Opened(noted, resumed=False) if isinstance(noted, Upload) else noted
        for place in wanted.keys() - results.keys():
            results[place] = alone(partial(self._opener.open, requests[place]))
        return [results[place] for place in range(len(requests))]

    def _planned(self, requests: Sequence[OpenRequest], results: dict[int, OpenResult]) -> Wanted:
        """The requests with their plans; those that cannot be have their result."""
        wanted: dict[int, tuple[OpenRequest, Plan]] = {}
        seen: set[tuple[uuid.UUID, str]] = set()
        for place, request in enumerate(requests):
            slot = (request.bucket_id, request.key)
            plan = alone(partial(plan_of, self._context, request))
            if isinstance(plan, OARepoS3Error):
                results[place] = plan
            elif slot in seen:
                results[place] = InvalidKey("The file is in the list twice.")
            else:
                wanted[place] = (request, plan)
                seen.add(slot)
        return wanted

    def _claimed(self, wanted: Wanted, results: dict[int, OpenResult]) -> Mapping[int, Upload]:
        """New rows; those that were open already, or cannot be, have their result; the rest is left over."""
        decided: dict[int, OpenResult] = {}
        try:
            with sessions.transaction() as session:
                begun = self._claim(session, wanted, decided)
        except Exception:
            logger.warning("a batch cannot be claimed at once, so it is done one by one", exc_info=True)
            return {}
        results |= decided
        return begun

    def _claim(
        self, session: scoped_session[Session], wanted: Wanted, decided: dict[int, OpenResult]
    ) -> Mapping[int, Upload]:
        buckets = {row.id: row for row in files.lock_buckets(session, {one.bucket_id for one, _ in wanted.values()})}
        slots = {place: slot_of(request.bucket_id, request.key) for place, (request, _) in wanted.items()}
        active = {upload.active_slot: upload for upload in sessions.get_all_active(session, slots.values())}
        fresh: dict[uuid.UUID, list[int]] = {}
        for place, (request, plan) in wanted.items():
            holder = active.get(slots[place])
            if holder is not None:
                self._resume(holder, request, plan, place, decided)
                continue
            room = self._room(buckets.get(request.bucket_id), request.size)
            if isinstance(room, OARepoS3Error):
                decided[place] = room
            else:
                fresh.setdefault(request.bucket_id, []).append(place)
        begun: dict[int, Upload] = {}
        for bucket_id, places in fresh.items():
            uploads = begin(self._context, session, buckets[bucket_id], [wanted[place] for place in places])
            begun |= dict(zip(places, uploads, strict=True))
        return begun

    def _resume(
        self, holder: Upload, request: OpenRequest, plan: Plan, place: int, decided: dict[int, OpenResult]
    ) -> None:
        """Answer with the upload that is open; any other that holds the key is dealt with by itself."""
        if holder.state is not State.OPEN or holder.expires_at <= self._context.clock():
            return
        try:
            check_same(holder, request, plan)
            decided[place] = Opened(holder, resumed=True)
        except OARepoS3Error as error:
            decided[place] = error

    @staticmethod
    def _room(bucket: Bucket | None, size: int) -> Bucket | OARepoS3Error:
        try:
            return files.take_room(bucket, size)
        except OARepoS3Error as error:
            return error
