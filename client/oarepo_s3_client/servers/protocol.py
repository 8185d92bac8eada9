# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Requests to a repository as generators: they yield what is to be asked or waited for, whoever does it.

An operation is a generator that yields ``Request`` (and is sent a ``Response``, or a ``Fault`` where there was none) or
``Sleep``. Both clients drive the same ones.
"""

import json
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from oarepo_s3_client.errors import ClientError, NotAuthorised, NotFound, Refused, ServerTrouble, UploadGone
from oarepo_s3_client.retries import LONGEST_RETRY_AFTER, Backoff, Fault, date_of, is_passing, seconds_of
from oarepo_s3_client.servers.shapes import objects_of, of_type, part_number_of, web_address_of
from oarepo_s3_client.work import SignedPart

T = TypeVar("T")

COMPLETE_SECONDS = 360.0
"""How long completing may take: the repository itself gives the store 300 s for a big file."""

BUSY_ATTEMPTS = 120
"""How often a busy upload is waited for, a few seconds each time."""

REDIRECTS = 5

LONGEST_MESSAGE = 1000
"""Characters of what a repository says that are shown."""

MOVED_HINT = "Give the address where the record is now; https:// and no other host's, for instance."


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``read``: whether the body of a good answer is of interest."""

    method: str
    url: str
    json: Any = None
    content: bytes | None = None
    timeout: float | None = None
    read: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """The answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def document(self) -> Any:
        """The body, decoded; None if it is no JSON."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds."""

    seconds: float


Operation = Generator[Request | Sleep, Any, T]


class Asking:
    """Asks with patience: repeats what may pass, and turns refusals into errors.

    Args:
        backoff: attempts and waits.
        on_retry: is told the reason and the seconds to wait.
    """

    def __init__(self, backoff: Backoff, on_retry: Callable[[str, float], None]):
        self._backoff = backoff
        self._on_retry = on_retry

    def ask(
        self,
        method: str,
        url: str,
        *,
        expect: Iterable[int] = (),
        done: Iterable[int] = (),
        busy: bool = False,
        **options: Any,
    ) -> Operation[Response]:
        """Send a request until there is an answer that stays.

        Args:
            method: HTTP method.
            url: address.
            expect: statuses beside 2xx that are answers, not errors.
            done: statuses that mean success from the second attempt on: the first may have been done.
            busy: whether a conflict with ``Retry-After`` is waited out.
            options: fields of Request.

        Raises:
            ClientError: the repository refuses, or is not to be reached.
        """
        request, expected = Request(method, url, **options), frozenset(expect)
        failures, waits, redirects = 0, 0, 0
        while True:
            if failures:
                expected |= frozenset(done)
            answer: Response | Fault = yield request
            moved = None if _is_expected(answer, expected) else _moved(request, answer)
            if moved is not None and redirects < REDIRECTS:
                request, redirects = moved, redirects + 1
                continue
            wait = _busy_wait(answer) if busy and waits < BUSY_ATTEMPTS else None
            if wait is not None:
                waits += 1
            elif isinstance(answer, Response) and _is_expected(answer, expected):
                return answer
            else:
                failures += 1
                wait = self._wait(answer, failures)
            if wait is None:
                raise error_of(answer)
            yield from self.sleep(_reason(answer), wait)

    def sleep(self, reason: str, seconds: float) -> Operation[None]:
        """Wait, and tell why."""
        self._on_retry(reason, seconds)
        yield Sleep(seconds)

    def _wait(self, answer: Response | Fault, failures: int) -> float | None:
        """Seconds until the next attempt, None if there is none."""
        if failures >= self._backoff.attempts:
            return None
        if isinstance(answer, Fault):
            return self._backoff.wait(failures) if answer.error is None else None
        if not is_passing(answer.status):
            return None
        return self._backoff.wait(failures, seconds_of(answer.headers.get("retry-after")))


def _is_expected(answer: Response | Fault, expected: frozenset[int]) -> bool:
    return isinstance(answer, Response) and (answer.status < 300 or answer.status in expected)


def _moved(request: Request, answer: Response | Fault) -> Request | None:
    """The request to where the answer sends us, as long as that is the same origin: the token goes nowhere else.

    An application behind a proxy that ends TLS may not know its own scheme, host and port. When all it wants is a slash
    at the end, the path is taken from it and nothing else.
    """
    if isinstance(answer, Fault):
        return None
    location = answer.headers.get("location")
    if answer.status not in (301, 302, 307, 308) or location is None:
        return None
    if request.method != "GET" and answer.status in (301, 302):
        return None
    try:
        url = urljoin(request.url, location)
        here, there = urlsplit(request.url), urlsplit(url)
        if there.path == f"{here.path}/" and there.query == here.query:
            url = here._replace(path=there.path).geturl()
        return replace(request, url=url) if origin_of(url) == origin_of(request.url) else None
    except ValueError:  # no address at all
        return None


def _busy_wait(answer: Response | Fault) -> float | None:
    if isinstance(answer, Fault) or answer.status != 409:
        return None
    return patience_of(seconds_of(answer.headers.get("retry-after")))


def patience_of(seconds: Any) -> float | None:
    """The seconds that an answer asks to wait, within reason; None if it names none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        return None
    return float(min(seconds, LONGEST_RETRY_AFTER))


def _reason(answer: Response | Fault) -> str:
    return answer.reason if isinstance(answer, Fault) else f"the repository answers {answer.status}"


def error_of(answer: Response | Fault) -> ClientError:
    """The error that an answer means."""
    if isinstance(answer, Fault):
        return answer.error or ServerTrouble(f"The repository cannot be reached: {answer.reason}.")
    document = answer.document()
    return refusal(answer.status, document if isinstance(document, dict) else {})


def refusal(status: int, facts: Mapping[str, Any]) -> ClientError:
    """The error that a status and what is said with it mean."""
    said = _said(facts.get("message"))
    code = _code(facts.get("code"))
    if 300 <= status < 400:
        return Refused(f"The repository sends us elsewhere ({status}).", hint=MOVED_HINT, code="moved")
    if status in (401, 403):
        return NotAuthorised(_sentence("The repository does not allow it", said))
    if status == 404:
        return NotFound(_sentence("The repository does not find it", said), code=code)
    if status == 410:
        return UploadGone(_sentence("It is gone", said), code=code)
    if is_passing(status):
        return ServerTrouble(_sentence(f"The repository is in trouble ({status})", said), code=code)
    return Refused(_sentence(f"The repository refuses ({status})", said), code=code, hint=_hint(facts))


def _said(message: Any) -> str:
    """What the repository says, as one line that is fit for a terminal."""
    text = "".join(sign if sign.isprintable() else " " for sign in str(message or "")[:LONGEST_MESSAGE])
    return " ".join(text.split()).rstrip(".")


def _code(code: Any) -> str | None:
    return code if isinstance(code, str) and re.fullmatch(r"\w{1,64}", code, re.ASCII) else None


def _sentence(start: str, said: str) -> str:
    return f"{start}: {said}." if said else f"{start}."


def _hint(facts: Mapping[str, Any]) -> str:
    if facts.get("code") == "upload_exists":
        return "Another upload of this file is open: abort it first (`oarepo-s3 abort`), or give the file as it was."
    suggested = facts.get("suggested")
    if isinstance(suggested, dict) and isinstance(suggested.get("part_size"), int):
        return f"A part size of {suggested['part_size']} bytes would do."
    return ""


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what the token is bound to."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def lifetime(expires_at: Any, headers: Mapping[str, str]) -> float | None:
    """Seconds until the time, by the clock of who has answered; None if that cannot be told."""
    if not isinstance(expires_at, str):
        return None
    try:
        end = datetime.fromisoformat(expires_at)
    except ValueError:
        return None
    if end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    now = date_of(headers["date"]) if "date" in headers else datetime.now(UTC)
    return None if now is None else max(0.0, (end - now).total_seconds())


def signed_parts(listed: Any, headers: Mapping[str, str], end: str = "expires_at") -> list[SignedPart]:
    """The URLs of an answer: ``[{"part", "url", end}]``."""
    return [
        SignedPart(part_number_of(part.get("part")), web_address_of(part.get("url")), lifetime(part.get(end), headers))
        for part in objects_of(listed)
    ]


def document_of(answer: Response, kind: type[T]) -> T:
    """The body, which has to be a JSON object or list.

    Raises:
        ServerTrouble: it is not.
    """
    return of_type(answer.document(), kind)
