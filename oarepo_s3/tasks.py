# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Celery tasks; each is safe to run again and on several workers at once."""

import uuid
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
    :param s3_buckets: buckets of the store in which to look for orphans; they are only reported.
    :returns: counts of uploads ``completed``, ``caught_up`` (a task that no broker took is sent now), ``reopened``,
        ``lost``, ``abandoned`` and ``failed`` (put off until later), and lists of ``bucket/key``: ``unknown``, uploads
        at the store that no row knows, and ``missing``, open uploads that the store no longer has.
    """
    return current_uploads.reconcile(dry_run=dry_run, s3_buckets=s3_buckets or ()).as_dict()


@shared_task
def check_bucket_sizes(bucket_id: str | None = None, repair: bool = False) -> dict[str, Any]:
    """Recompute the sizes of buckets from their files and pending uploads; see :mod:`oarepo_s3.uploads.quota`.

    :param bucket_id: only this bucket.
    :param repair: write the recomputed sizes, each under the lock of its bucket; otherwise only report.
    :returns: counts of buckets ``checked``, ``wrong`` and ``repaired``, and ``differences``, of the first 1,000 wrong
        ones, each with ``bucket``, ``recorded``, ``recomputed`` and ``difference`` in bytes.
    """
    report = current_uploads.report_sizes(None if bucket_id is None else uuid.UUID(bucket_id), repair=repair)
    return report.as_dict()
