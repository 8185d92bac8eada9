# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Lists of requests in one, each answered as it would be by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from oarepo_s3_client.errors import ClientError, ServerTrouble
from oarepo_s3_client.retries import is_passing
from oarepo_s3_client.servers.face import ByItself
from oarepo_s3_client.servers.protocol import Asking, Operation, Response, document_of, patience_of, refusal
from oarepo_s3_client.servers.shapes import number_of, objects_of

OTHERWISE = ("upload_exists", "invalid_size")
"""Refusals that may have another answer by itself: a file that was begun in parts, and one of 0 bytes."""


class NoBatches(Exception):
    """The repository does not take this list. ``limit``: the most that it takes at a time, 1 if it takes no lists."""

    def __init__(self, limit: int = 1):
        super().__init__(limit)
        self.limit = limit


def ask_many(
    asking: Asking, url: str, entries: Sequence[Mapping[str, Any]], timeout: float | None = None
) -> Operation[tuple[list[dict[str, Any]], Response]]:
    """The results in the order of the entries, and the answer that they came in.

    Raises:
        NoBatches: not so many at a time.
    """
    answer: Response = yield from asking.ask("POST", url, json=list(entries), expect=(400, 413), timeout=timeout)
    if answer.status >= 400:
        raise NoBatches(_limit_of(answer, len(entries)))
    results = objects_of(document_of(answer, list))
    if len(results) != len(entries):
        raise ServerTrouble("The repository does not answer for each file that it was asked about.")
    return results, answer


def _limit_of(answer: Response, asked: int) -> int:
    facts = answer.document()
    limit = facts.get("limit") if isinstance(facts, dict) else None
    if answer.status == 413:
        limit = asked // 2
    return limit if isinstance(limit, int) and 0 < limit < asked else 1


def not_done(result: Mapping[str, Any]) -> ByItself | ClientError | None:
    """What a result means that is not good; None for a good one."""
    status = number_of(result.get("status"))
    if status < 400:
        return None
    wait = patience_of(result.get("retry_after"))
    if is_passing(status) or wait is not None or result.get("code") in OTHERWISE:
        return ByItself(wait or 0.0)
    return refusal(status, result)
