# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Celery tasks; each is safe to run again and on several workers at once."""

from typing import Any

from celery import shared_task

from .proxies import current_uploads


@shared_task
def cleanup_expired_multipart_uploads() -> dict[str, int]:
    """End the uploads whose time is over: at the store, in the record, in the quota.

    :returns: counts of uploads ``expired``, ``aborted`` (that somebody had begun to abort), ``rechecked`` and
        ``failed`` (put off until later).
    """
    return current_uploads.sweep().as_dict()


@shared_task
def reconcile_multipart_uploads(dry_run: bool = False, s3_buckets: list[str] | None = None) -> dict[str, Any]:
    """Settle uploads whose opening or completion was interrupted.

    :param dry_run: only report.
    :param s3_buckets: buckets of the store in which to look for uploads that no row knows; they are only reported.
    :returns: counts of uploads ``completed``, ``reopened``, ``lost``, ``abandoned`` and ``failed`` (put off until
        later), and ``unknown``, a list of ``bucket/key``.
    """
    return current_uploads.reconcile(dry_run=dry_run, s3_buckets=s3_buckets or ()).as_dict()
