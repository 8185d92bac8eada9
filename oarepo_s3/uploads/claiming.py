# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Claim keys for new uploads: pending files, rows, and what their owners make of it, in the caller's transaction."""

import secrets
import uuid
from collections.abc import Sequence

from invenio_files_rest.models import Bucket
from sqlalchemy.orm import Session, scoped_session

from ..errors import UploadExists
from . import files, sessions
from .context import Context
from .keys import check_key
from .models import Upload, slot_of
from .one_put import check_declared, plan_one_put
from .plan import Plan, make_plan
from .requests import OpenRequest
from .states import Event, State, next_state


def plan_of(context: Context, request: OpenRequest) -> Plan:
    """Check key and sizes, and make the plan; no I/O.

    :raises BadRequest: they cannot be.
    """
    check_key(request.key, context.rules.max_key_length)
    part_size, parts_count = request.part_size, request.parts_count
    one_put = plan_one_put(context, request.size, request.content_md5, part_size=part_size, parts_count=parts_count)
    if one_put is None:
        return make_plan(request.size, context.limits, part_size=part_size, parts_count=parts_count)
    check_declared(request.checksum, one_put.content_md5 or "")
    return one_put


def begin(
    context: Context, session: scoped_session[Session], bucket: Bucket, wanted: Sequence[tuple[OpenRequest, Plan]]
) -> list[Upload]:
    """Begin uploads of one bucket, which is locked, and in which :func:`.files.take_room` has made room for them.

    No key may be there twice. The number of statements does not depend on that of the uploads.
    """
    contents = [(request.key, request.size, _media_type(request)) for request, _ in wanted]
    reserved = files.reserve(session, bucket, contents)
    uploads = [
        new_upload(context, request, plan, pending) for (request, plan), pending in zip(wanted, reserved, strict=True)
    ]
    sessions.insert(session, uploads)
    for owner, group in context.owners_of(uploads):
        owner.opened(session, group)
    return uploads


def _media_type(request: OpenRequest) -> str | None:
    """Invenio guesses it from the key where there is none."""
    return None if request.content_type == "application/octet-stream" else request.content_type


def new_upload(context: Context, request: OpenRequest, plan: Plan, pending: files.PendingFile) -> Upload:
    """The row of a new upload: opening, or already open where there is nothing to open at the store."""
    now, state = context.clock(), State.OPENING
    expires_at = context.after(request.expires or context.rules.upload_expiration)
    due_at = context.after(context.rules.reconcile_after)
    if plan.content_md5 is not None:
        state, due_at = next_state(state, Event.OPENED), expires_at
    s3_bucket, _, s3_key = pending.uri.removeprefix("s3://").partition("/")
    slot = slot_of(request.bucket_id, request.key)
    return Upload(
        id=uuid.uuid4(),
        public_id=secrets.token_urlsafe(32),
        state=state,
        slot=slot,
        active_slot=slot,
        bucket_id=request.bucket_id,
        key=request.key,
        version_id=pending.version_id,
        file_id=pending.file_id,
        took_head=pending.took_head,
        previous_head_id=pending.previous_head_id,
        s3_bucket=s3_bucket,
        s3_key=s3_key,
        s3_upload_id=None,
        may_have_strays=False,
        size=plan.size,
        part_size=plan.part_size,
        parts_count=plan.parts_count,
        free_plan=False,
        content_md5=plan.content_md5,
        content_type=request.content_type,
        fingerprint=request.fingerprint,
        checksum=request.checksum,
        etag=None,
        owner=request.owner,
        owner_data=request.owner_data,
        created_by=request.actor,
        complete_url=request.complete_url,
        abort_url=request.abort_url,
        created=now,
        updated=now,
        expires_at=expires_at,
        due_at=due_at,
        claims=0,
        claimed_until=None,
        ending=None,
        attempts=0,
        error=None,
    )


def check_same(active: Upload, request: OpenRequest, plan: Plan) -> None:
    """Check that the pending upload is for the same file.

    :raises UploadExists: it is not; details tell what it is for.
    """
    explicit = request.part_size is not None or request.parts_count is not None
    same_plan = active.content_md5 == plan.content_md5 and (not explicit or active.free_plan or active.plan == plan)
    if active.size != request.size or not same_plan or active.fingerprint != request.fingerprint:
        raise UploadExists(
            "Another upload of this file is pending; complete or abort it first.",
            size=active.size,
            part_size=active.part_size,
            expires_at=active.expires_at.isoformat(),
        )
