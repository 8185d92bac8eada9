# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Complete many uploads: one transaction claims them, the store is asked side by side, one publishes them."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session

from ..errors import OARepoS3Error, StoreUnknownOutcome
from ..store.contract import StoredObject, StoredPart
from . import files, sessions
from .aborting import Aborter
from .completing import Completer
from .context import Context
from .lanes import alone, in_parallel
from .models import Upload, UploadSession
from .one_put import checked_object
from .states import Event, State
from .verifying import checked_parts, checksum_of, our_object, verified

logger = logging.getLogger(__name__)

CompleteResult = Upload | OARepoS3Error
Claims = Mapping[int, str]
"""Number -> ETag of the parts as the client knows them; empty if it does not say."""
Results = dict[uuid.UUID, CompleteResult]


@dataclass(frozen=True, slots=True)
class _Asked:
    """How far the store has been asked about an upload that is claimed; ``joined``: it has joined the parts."""

    upload: Upload
    claims: Claims
    parts: Sequence[StoredPart] | None = None
    found: StoredObject | None = None
    error: OARepoS3Error | None = None
    joined: bool = False


class BatchCompleter:
    """Completes many uploads at a time."""

    def __init__(self, context: Context, aborter: Aborter, completer: Completer) -> None:
        """Work with this context; the completer completes those that need more than the common way."""
        self._context = context
        self._aborter = aborter
        self._completer = completer

    def complete(self, uploads: Sequence[tuple[Upload, Claims]], actor: str | None) -> list[CompleteResult]:
        """Complete uploads, none twice; the results are in their order.

        One that another request is completing is not waited for.
        """
        results: Results = {upload.id: upload for upload, _ in uploads if upload.state is State.COMPLETED}
        asked = in_parallel(self._look, self._claim(uploads, actor, results))
        asked = in_parallel(self._join, [self._lease(one) for one in asked])
        results |= {upload.id: upload for upload in self._publish(asked, actor)}
        for one in asked:
            if one.upload.id not in results:
                results[one.upload.id] = alone(partial(self._finish, one, actor))
        for upload, claims in uploads:
            if upload.id not in results:
                results[upload.id] = alone(partial(self._complete_alone, upload, claims, actor))
        return [results[upload.id] for upload, _ in uploads]

    def _claim(self, uploads: Sequence[tuple[Upload, Claims]], actor: str | None, results: Results) -> list[_Asked]:
        """Claim those that nobody is completing; those that cannot be completed have their result."""
        ready: list[Upload] = []
        for upload, claims in uploads:
            problem = alone(partial(self._completer.check_open, upload, claims)) if upload.state is State.OPEN else None
            if problem is not None:
                results[upload.id] = problem
            elif upload.state is State.OPEN:
                ready.append(upload)
        claims_of = {upload.id: claims for upload, claims in uploads}
        try:
            with sessions.transaction() as session:
                claimed = self._completer.claim_many(session, ready, actor)
        except Exception:
            logger.warning("a batch cannot be claimed at once, so it is done one by one", exc_info=True)
            claimed = []
        return [_Asked(upload, claims_of[upload.id]) for upload in claimed]

    def _look(self, one: _Asked) -> _Asked:
        """Ask the store what it has; runs in a thread and touches no database."""
        try:
            if one.upload.is_one_put:
                return replace(one, found=checked_object(self._context, one.upload, one.claims))
            return replace(one, parts=checked_parts(self._context, one.upload, one.claims))
        except OARepoS3Error as error:
            return replace(one, error=error)

    def _lease(self, one: _Asked) -> _Asked:
        if one.parts is None:
            return one
        leased = alone(partial(self._completer.lease_for_joining, one.upload))
        return replace(one, upload=leased) if isinstance(leased, Upload) else replace(one, error=leased)

    def _join(self, one: _Asked) -> _Asked:
        """Let the store join the parts if there are any; runs in a thread and touches no database."""
        upload = one.upload
        if one.parts is None or one.error is not None:
            return one
        try:
            self._context.store.complete_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", one.parts)
            one = replace(one, joined=True)
            found = our_object(self._context, upload)
        except OARepoS3Error as error:
            return replace(one, error=error)
        if found is None:
            return replace(
                one, error=StoreUnknownOutcome("The store joined the parts, but does not show the object yet.")
            )
        return replace(one, found=found)

    def _publish(self, asked: Sequence[_Asked], actor: str | None) -> Sequence[Upload]:
        """Publish those whose file is at the store as it should be; none if that cannot be done at once."""
        good = {one.upload.id: one for one in asked if one.error is None and not self._problem(one)}
        if not good:
            return []
        try:
            with sessions.transaction() as session:
                completed = self._publish_within(session, good, actor)
        except Exception:
            logger.warning("a batch cannot be published at once, so it is done one by one", exc_info=True)
            return []
        for upload in completed:
            self._context.announcer.after("complete", upload)
        return completed

    def _publish_within(
        self, session: scoped_session[Session], good: Mapping[uuid.UUID, _Asked], actor: str | None
    ) -> list[Upload]:
        uploads = [one.upload for one in good.values()]
        files.lock_buckets(session, {upload.bucket_id for upload in uploads})
        pending = files.pending_of(session, uploads)
        etags = {upload.id: self._etag(good[upload.id]) for upload in uploads if upload.id in pending}
        completed = self._advance(session, [good[place].upload for place in etags], etags, actor)
        files.make_readable(
            session,
            [(pending[one.id], one.size, self._checksum(good[one.id], etags[one.id])) for one in completed],
        )
        for owner, group in self._context.owners_of(completed):
            owner.completed(session, group)
        return completed

    def _advance(
        self,
        session: scoped_session[Session],
        uploads: Sequence[Upload],
        etags: Mapping[uuid.UUID, str],
        actor: str | None,
    ) -> list[Upload]:
        """Let them be completed by one statement, though each has an ETag and a time of its own."""
        if not uploads:
            return []
        dues = {upload.id: self._aborter.look_for_strays_at(upload) for upload in uploads}
        completed = sessions.advance_many(
            session,
            uploads,
            Event.COMPLETED,
            self._context.clock(),
            actor=actor,
            etag=_by_id({upload.id: etags[upload.id] for upload in uploads}, UploadSession.etag.type),
            due_at=_by_id(dues, UploadSession.due_at.type),
            claimed_until=None,
        )
        return [replace(upload, etag=etags[upload.id], due_at=dues[upload.id]) for upload in completed]

    def _etag(self, one: _Asked) -> str:
        assert one.found is not None
        return verified(self._context, one.upload, one.found, one.parts)[0]

    def _problem(self, one: _Asked) -> str | None:
        assert one.found is not None
        return verified(self._context, one.upload, one.found, one.parts)[1]

    def _checksum(self, one: _Asked, etag: str) -> str:
        return checksum_of(self._context, one.upload, etag, one.parts)

    def _finish(self, one: _Asked, actor: str | None) -> Upload:
        """Bring one to its end that could not be published with the others."""
        if one.found is not None:
            return self._completer.publish(one.upload, one.found, one.parts, actor)
        assert one.error is not None
        if one.joined:  # it stays completing, for whoever asks next
            raise one.error
        return self._completer.after_failure(one.upload, one.error, actor)

    def _complete_alone(self, upload: Upload, claims: Claims, actor: str | None) -> Upload:
        if upload.state is State.OPEN:  # somebody else was first
            upload = self._completer.current(upload)
        return self._completer.complete(upload, claims, actor, wait=False)


def _by_id(values: Mapping[uuid.UUID, Any], kind: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
    """The value of each upload, as an expression of SQL."""
    return sa.case(*[(UploadSession.id == upload_id, sa.literal(value, kind)) for upload_id, value in values.items()])
