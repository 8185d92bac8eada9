# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Queries and compare-and-set: the only writer of the tables.

Everything here works inside the transaction of its caller; :func:`transaction` makes a short one.
"""

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from invenio_db import db
from sqlalchemy.orm import Session, scoped_session

from .models import Upload, UploadEvent, UploadSession
from .states import ENDED, Event, State, next_state

AnySession = Session | scoped_session[Session] | sa.Connection
_UPLOADS: sa.Table = UploadSession.__table__
_EVENTS: sa.Table = UploadEvent.__table__


class Superseded(Exception):  # noqa: N818 - no error: somebody else was first, look again
    """The row is no longer as it was read: another worker was first."""


@contextmanager
def transaction() -> Iterator[scoped_session[Session]]:
    """One short transaction of its own, committed at the end and rolled back on any exception.

    :raises RuntimeError: the caller has unsaved work in the session, which must neither be committed nor lost here.
    """
    session = db.session
    if session.new or session.dirty or session.deleted or session().in_nested_transaction():
        raise RuntimeError("An upload's steps have transactions of their own: commit or roll back your work first.")
    session.commit()  # ends a transaction that only read, so that what follows sees the present
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise


def end_reading() -> None:
    """End a transaction that has only read, so that no connection is held while the store is asked.

    :raises RuntimeError: the caller has unsaved work in the session.
    """
    with transaction():
        pass


def insert(session: AnySession, uploads: Sequence[Upload]) -> None:
    """Write new rows and their first event; those that are open from the start have a second one."""
    session.execute(sa.insert(_UPLOADS), [_values_of(upload) for upload in uploads])
    events = [_event(one, "created", None, State.OPENING, one.created, one.created_by) for one in uploads]
    opened = [one for one in uploads if one.state is State.OPEN]
    events += [_event(one, Event.OPENED, State.OPENING, State.OPEN, one.created, one.created_by) for one in opened]
    session.execute(sa.insert(_EVENTS), events)


def _values_of(upload: Upload) -> dict[str, Any]:
    """The columns; ``asdict`` would copy every value in depth."""
    return {field.name: getattr(upload, field.name) for field in fields(upload)}


def advance(
    session: AnySession,
    upload: Upload,
    event: Event,
    now: datetime,
    *,
    actor: str | None = None,
    reason: str | None = None,
    **values: Any,
) -> Upload:
    """Let an event happen: compare-and-set on the state and the claim as they were read, and a line in the log.

    :raises IllegalTransition: the table of states has no such event in this state; nothing was changed.
    :raises Superseded: the row has changed since it was read; nothing was changed.
    """
    target = next_state(upload.state, event)
    values |= {"state": target, "updated": now}
    if target in ENDED:
        values["active_slot"] = None
    moved = update(session, upload, **values)
    session.execute(sa.insert(_EVENTS), [_event(upload, event, upload.state, target, now, actor, reason)])
    return moved


def advance_many(
    session: AnySession,
    uploads: Sequence[Upload],
    event: Event,
    now: datetime,
    *,
    actor: str | None = None,
    **values: Any,
) -> Sequence[Upload]:
    """Let an event happen to many uploads in the same state; those that have changed meanwhile are left out.

    :raises IllegalTransition: the table of states has no such event in this state; nothing was changed.
    """
    if not uploads:
        return []
    origin = uploads[0].state
    target = next_state(origin, event)
    query = sa.select(_UPLOADS.c.id, _UPLOADS.c.claims).where(
        _UPLOADS.c.id.in_([upload.id for upload in uploads]), _UPLOADS.c.state == origin
    )
    unchanged = {(row.id, row.claims) for row in session.execute(query.order_by(_UPLOADS.c.id).with_for_update())}
    moved = [upload for upload in uploads if (upload.id, upload.claims) in unchanged]
    if not moved:
        return []
    values |= {"state": target, "updated": now} | ({"active_slot": None} if target in ENDED else {})
    session.execute(sa.update(_UPLOADS).where(_UPLOADS.c.id.in_([upload.id for upload in moved])).values(**values))
    session.execute(sa.insert(_EVENTS), [_event(upload, event, origin, target, now, actor) for upload in moved])
    return [replace(upload, **values) for upload in moved]


def update(session: AnySession, upload: Upload, **values: Any) -> Upload:
    """Compare-and-set without an event: for facts that are no state.

    :raises Superseded: the row has changed since it was read; nothing was changed.
    """
    unchanged = (_UPLOADS.c.id == upload.id) & (_UPLOADS.c.state == upload.state) & (_UPLOADS.c.claims == upload.claims)
    result: sa.CursorResult[Any] = session.execute(sa.update(_UPLOADS).where(unchanged).values(**values))  # type: ignore[assignment]
    if result.rowcount != 1:
        raise Superseded(f"upload {upload.id} is no longer {upload.state}")
    return replace(upload, **values)


def _event(
    upload: Upload,
    event: str,
    from_state: State | None,
    to_state: State,
    at: datetime,
    actor: str | None,
    reason: str | None = None,
) -> dict[str, Any]:
    return {
        "upload_id": upload.id, "at": at, "event": event, "from_state": from_state, "to_state": to_state,
        "actor": actor, "reason": reason,
    }  # fmt: skip


def get(session: AnySession, upload_id: uuid.UUID) -> Upload | None:
    """The upload with our id."""
    return _first(session, _UPLOADS.c.id == upload_id)


def get_many(session: AnySession, upload_ids: Collection[uuid.UUID]) -> Sequence[Upload]:
    """The uploads with these ids of ours."""
    return _all(session, _UPLOADS.c.id.in_(upload_ids))


def get_active(session: AnySession, slot: str) -> Upload | None:
    """The upload of the slot that has not ended."""
    return _first(session, _UPLOADS.c.active_slot == slot)


def get_all_active(session: AnySession, slots: Collection[str]) -> Sequence[Upload]:
    """The uploads of these slots that have not ended."""
    return _all(session, _UPLOADS.c.active_slot.in_(slots))


def get_all_latest(session: AnySession, slots: Collection[str]) -> Sequence[Upload]:
    """The uploads of these slots that have ended; of each slot, the one that was opened last comes last."""
    return _all(session, _UPLOADS.c.slot.in_(slots) & _UPLOADS.c.active_slot.is_(None))


def get_by_public_id(session: AnySession, slot: str, public_id: str) -> Upload | None:
    """The upload of the slot that clients know by this id, ended or not."""
    return _first(session, (_UPLOADS.c.slot == slot) & (_UPLOADS.c.public_id == public_id))


def get_latest(session: AnySession, slot: str) -> Upload | None:
    """The upload of the slot that was opened last, of those that have ended."""
    return _first(session, (_UPLOADS.c.slot == slot) & _UPLOADS.c.active_slot.is_(None), _UPLOADS.c.created.desc())


def get_of_file(session: AnySession, file_id: uuid.UUID) -> Upload | None:
    """The upload that brought, or is to bring, a file."""
    return _first(session, _UPLOADS.c.file_id == file_id)


def pending_in_bucket(session: AnySession, bucket_id: uuid.UUID) -> Sequence[Upload]:
    """The uploads of a bucket that have not ended, oldest first."""
    return _all(session, (_UPLOADS.c.bucket_id == bucket_id) & _UPLOADS.c.active_slot.is_not(None))


def pending_of_files(session: AnySession, file_ids: Collection[uuid.UUID] | sa.Select[Any]) -> Sequence[Upload]:
    """The uploads that are to bring these files and have not ended, oldest first."""
    return _all(session, _UPLOADS.c.file_id.in_(file_ids) & _UPLOADS.c.active_slot.is_not(None))


def take_due(
    session: AnySession, states: Collection[State], now: datetime, limit: int, lease_until: datetime
) -> Sequence[Upload]:
    """Take up to ``limit`` rows in these states that are due, and put them off, so that nobody else takes them.

    Rows that another worker is just taking are skipped, not waited for.
    """
    taken: list[Upload] = []
    for state in states:  # one by one, so that the index gives the rows in order however many are due
        due = (
            sa.select(_UPLOADS)
            .where(_UPLOADS.c.state == state, _UPLOADS.c.due_at <= now)
            .order_by(_UPLOADS.c.due_at)
            .limit(limit - len(taken))
            .with_for_update(skip_locked=True)
        )
        if len(taken) < limit:
            taken += [Upload.of(row) for row in session.execute(due)]
    if taken:
        set_due(session, taken, lease_until)
    return taken


def set_due(session: AnySession, uploads: Sequence[Upload], due_at: datetime | None) -> None:
    """Say when a sweep has to look at these rows again, unless they have changed their state."""
    ids = [upload.id for upload in uploads]
    states = {upload.state for upload in uploads}
    session.execute(
        sa.update(_UPLOADS).where(_UPLOADS.c.id.in_(ids), _UPLOADS.c.state.in_(states)).values(due_at=due_at)
    )


OWED = datetime(3000, 1, 1, tzinfo=UTC)
"""``due_at`` of completed rows that are owed something: behind all that a sweep takes, in the same index."""


def owe(session: AnySession, upload: Upload, attempts: int = 0) -> None:
    """Note that something was left undone for a completed file, as a broker was down; reconciling catches it up.

    :param attempts: how often that has failed; others go first.
    """
    update(session, upload, due_at=OWED + timedelta(hours=attempts), attempts=attempts)


def owed(session: AnySession, limit: int) -> Sequence[Upload]:
    """Up to ``limit`` completed rows that are owed something."""
    query = sa.select(_UPLOADS).where(_UPLOADS.c.state == State.COMPLETED, _UPLOADS.c.due_at >= OWED)
    return [Upload.of(row) for row in session.execute(query.order_by(_UPLOADS.c.due_at).limit(limit))]


def expire_in_bucket(session: AnySession, bucket_id: uuid.UUID, now: datetime) -> int:
    """Let the pending uploads of a bucket expire now, in the caller's transaction; how many there are."""
    result: sa.CursorResult[Any] = session.execute(  # type: ignore[assignment]
        sa.update(_UPLOADS)
        .where(_UPLOADS.c.bucket_id == bucket_id, _UPLOADS.c.active_slot.is_not(None))
        .values(expires_at=now, due_at=now)
    )
    return int(result.rowcount)


def open_in_s3_bucket(
    session: AnySession, s3_bucket: str, before: datetime, after_id: uuid.UUID | None, limit: int
) -> Sequence[Upload]:
    """Open multipart uploads in a bucket of the store, created before a time, by id, from that after ``after_id``."""
    query = sa.select(_UPLOADS).where(
        _UPLOADS.c.s3_bucket == s3_bucket,
        _UPLOADS.c.state == State.OPEN,
        _UPLOADS.c.created < before,
        _UPLOADS.c.content_md5.is_(None),
    )
    if after_id is not None:
        query = query.where(_UPLOADS.c.id > after_id)
    return [Upload.of(row) for row in session.execute(query.order_by(_UPLOADS.c.id).limit(limit))]


def known_s3_keys(session: AnySession, s3_bucket: str, keys: Sequence[str]) -> set[str]:
    """Which of the store's keys have a row."""
    query = sa.select(_UPLOADS.c.s3_key).where(_UPLOADS.c.s3_bucket == s3_bucket, _UPLOADS.c.s3_key.in_(keys))
    return set(session.execute(query).scalars())


def _all(session: AnySession, condition: sa.ColumnElement[bool]) -> Sequence[Upload]:
    return [
        Upload.of(row) for row in session.execute(sa.select(_UPLOADS).where(condition).order_by(_UPLOADS.c.created))
    ]


def _first(session: AnySession, condition: sa.ColumnElement[bool], *order: Any) -> Upload | None:
    row = session.execute(sa.select(_UPLOADS).where(condition).order_by(*order).limit(1)).first()
    return None if row is None else Upload.of(row)
