# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What to do about a fault, and how long to wait before the next attempt."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from random import Random

from oarepo_s3_client.errors import ClientError, ServerTrouble

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
LONGEST_RETRY_AFTER = 300.0
"""Seconds. An answer that asks for more patience than this gets no more."""

_ERROR_CODE = re.compile(rb"<Code>\s*(\w{1,100})\s*</Code>")
_PASSING_CODES = frozenset({"RequestTimeout", "IncompleteBody", "BadDigest", "SlowDown", "InternalError"})
"""Answers with 400 that are about this attempt, not about the request; named by
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""

_EXPIRED_CODES = frozenset({"ExpiredToken", "TokenRefreshRequired", "RequestTimeTooSkewed"})


class FaultKind(StrEnum):
    """What a fault calls for."""

    RETRY = "retry"
    """Another attempt, later."""
    EXPIRED = "expired"
    """A fresh URL."""
    WRONG = "wrong"
    """The part again: what has arrived is not what was sent."""
    FATAL = "fatal"
    """Nothing helps."""
    STOPPED = "stopped"
    """Nothing: we ourselves have stopped it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something did not work. ``retry_after`` in seconds, where the answer says; ``error`` if it is final."""

    kind: FaultKind
    reason: str
    retry_after: float | None = None
    error: ClientError | None = None


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double, with jitter so that many clients do not come back in step.

    Attributes:
        attempts: how often a thing is tried at most.
        random: source of the jitter.
    """

    attempts: int
    random: Random = field(default_factory=Random, repr=False)

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        """Seconds to wait after the ``attempt``-th failure (1, 2, ...), at least what the answer asks for."""
        longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 30))
        wait = longest * (0.5 + 0.5 * self.random.random())
        return max(wait, min(retry_after or 0.0, LONGEST_RETRY_AFTER))


def is_passing(status: int) -> bool:
    """Whether an answer with this HTTP status may be another one at the next attempt."""
    return status in (408, 425, 429) or (status >= 500 and status not in (501, 505))


def fault_of_store(status: int, body: bytes, retry_after: float | None) -> Fault:
    """What an answer of the store other than success calls for."""
    found = _ERROR_CODE.search(body)
    code = found[1].decode() if found else ""
    reason = f"the store answers {status}{' ' + code if code else ''}"
    if status in (401, 403) or code in _EXPIRED_CODES:
        return Fault(FaultKind.EXPIRED, reason)
    if is_passing(status) or code in _PASSING_CODES:
        return Fault(FaultKind.RETRY, reason, retry_after)
    if status == 404:
        return Fault(
            FaultKind.FATAL, reason, error=StoreForgot("The store no longer has what the repository has signed for.")
        )
    error = ServerTrouble(f"The store refuses: {reason.removeprefix('the store ')}.", code="store_refused")
    return Fault(FaultKind.FATAL, reason, error=error)


class StoreForgot(ServerTrouble):
    """The store answers 404: what was signed for is not there."""

    code = "upload_gone"
    default_hint = "Run the same command again: the repository looks what is left, or begins anew."


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a ``Retry-After`` header means, as RFC 9110 has it: a number, or a date."""
    if retry_after is None:
        return None
    if re.fullmatch(r"\s*[0-9]{1,15}\s*", retry_after):
        return float(retry_after)
    date = date_of(retry_after)
    return None if date is None else max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def date_of(header: str) -> datetime | None:
    """The time that a ``Date`` header, or another of its kind, means; None if it means none."""
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
