# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Find orphans both ways: uploads at the store that no row knows, and rows whose upload the store no longer has."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice

from ..errors import StoreUploadGone
from . import sessions
from .context import Context
from .models import Upload

PAGE = 500
"""Uploads that are looked at together."""


class OrphanFinder:
    """Looks, and changes nothing."""

    def __init__(self, context: Context) -> None:
        """Work with this context."""
        self._context = context

    def at_store(self, s3_bucket: str) -> Iterator[str]:
        """``s3_bucket/key`` of uploads at the store that no row knows, of those old enough to have one."""
        settled = self._settled()
        listed = (found for found in self._context.store.list_uploads(s3_bucket) if _older(found.initiated, settled))
        while page := list(islice(listed, PAGE)):
            with sessions.transaction() as session:
                known = sessions.known_s3_keys(session, s3_bucket, [found.key for found in page])
            yield from (f"{s3_bucket}/{found.key}" for found in page if found.key not in known)

    def in_rows(self, s3_bucket: str) -> Iterator[str]:
        """``s3_bucket/key`` of open uploads that the store no longer has; the next completion finds them lost.

        Asks the store for each, as not every store lists a bucket.
        """
        settled, last = self._settled(), None
        with ThreadPoolExecutor(self._context.rules.sweep_concurrency) as pool:
            while True:
                with sessions.transaction() as session:
                    page = sessions.open_in_s3_bucket(session, s3_bucket, settled, last, PAGE)
                if not page:
                    return
                for upload, gone in zip(page, pool.map(self._is_gone, page), strict=True):
                    if gone:
                        yield f"{s3_bucket}/{upload.s3_key}"
                last = page[-1].id

    def _is_gone(self, upload: Upload) -> bool:
        try:
            self._context.store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
        except StoreUploadGone:
            return True
        return False

    def _settled(self) -> datetime:
        return self._context.clock() - timedelta(seconds=self._context.rules.reconcile_after)


def _older(initiated: datetime | None, limit: datetime) -> bool:
    return initiated is None or initiated < limit
