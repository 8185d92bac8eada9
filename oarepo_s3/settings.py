# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Checks the settings at start, and turns them into what the use cases take."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from .api import MAX_EXPIRES
from .config import GIB
from .errors import ConfigurationError
from .store.presign import MAX_EXPIRES_IN
from .uploads.context import Rules
from .uploads.plan import Limits

Problem = str | None
Check = Callable[[Any], Problem]


def _whole(least: int, most: int | None = None, *, optional: bool = False) -> Check:
    def check(value: Any) -> Problem:
        if optional and value is None:
            return None
        if type(value) is not int:
            return f"has to be a whole number, not {value!r}"
        if value < least or (most is not None and value > most):
            return f"has to be {least} or more" if most is None else f"has to be between {least} and {most}"
        return None

    return check


def _seconds(value: Any) -> Problem:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if number and 0 < value < float("inf") else f"has to be a number of seconds above 0, not {value!r}"


def _flag(value: Any) -> Problem:
    return None if isinstance(value, bool) else f"has to be True or False, not {value!r}"


def _text(value: Any) -> Problem:
    return None if value is None or (isinstance(value, str) and value) else f"has to be a text or None, not {value!r}"


def _endpoint(value: Any) -> Problem:
    if value is None:
        return None
    try:
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        bare = parts.port is not None or not parts.netloc.endswith(":")
    except ValueError:  # a port that is no number, brackets that do not close
        bare = False
    if not bare or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        return "has to be a URL such as https://s3.example.org, without credentials or query"
    return None


def _client(value: Any) -> Problem:
    return None if callable(value) or (isinstance(value, str) and "." in value) else "has to name a class"


def _endpoints(value: Any) -> Problem:
    known = {"files_path", "put_file_factory", "get_file_factory", "delete_file_factory", "restricted", "as_attachment"}
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(options, Mapping) for options in value.values()):
        return "has to be a dict of dicts"
    unknown = {name for options in value.values() for name in options} - known
    return f"has unknown options: {', '.join(sorted(unknown))}" if unknown else None


def _services(value: Any) -> Problem:
    fits = isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(prefix, str) and prefix.startswith("/") and "<pid_value>" in prefix
        for name, prefix in value.items()
    )
    return None if fits else "has to be a dict of ids of services and prefixes such as /records/<pid_value>/draft"


CHECKS: dict[str, Check] = {
    "S3_TENANT": _text,
    "S3_CLIENT": _client,
    "S3_PUBLIC_ENDPOINT_URL": _endpoint,
    "S3_MULTIPART_UPLOAD_EXPIRATION": _whole(1, MAX_EXPIRES),
    "S3_MULTIPART_URL_EXPIRATION": _whole(1, MAX_EXPIRES_IN),
    "S3_MULTIPART_URLS_PER_ANSWER": _whole(0),
    "S3_MULTIPART_MAX_URLS_PER_ANSWER": _whole(1),
    "S3_MULTIPART_BATCH_LIMIT": _whole(1),
    "S3_MULTIPART_PART_SIZE": _whole(1),
    "S3_MULTIPART_MIN_PART_SIZE": _whole(1),
    "S3_MULTIPART_MAX_PART_SIZE": _whole(1),
    "S3_MULTIPART_MAX_FILE_SIZE": _whole(1, optional=True),
    "S3_MULTIPART_ONE_PUT_LIMIT": _whole(0, 5 * GIB),
    "S3_MULTIPART_EQUAL_PARTS": _flag,
    "S3_MULTIPART_PIN_CONTENT_LENGTH": _flag,
    "S3_MULTIPART_OPAQUE_ETAGS": _flag,
    "S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY": _flag,
    "S3_MULTIPART_BUSY_WAIT": _seconds,
    "S3_MULTIPART_COMPLETE_TIMEOUT": _seconds,
    "S3_MULTIPART_STORE_TIMEOUT": _seconds,
    "S3_MULTIPART_STORE_ATTEMPTS": _whole(1),
    "S3_MULTIPART_STORE_CONNECTIONS": _whole(1),
    "S3_MULTIPART_SWEEP_BATCH": _whole(1),
    "S3_MULTIPART_SWEEP_CONCURRENCY": _whole(1),
    "S3_MULTIPART_SWEEP_DEADLINE": _seconds,
    "S3_MULTIPART_RECONCILE_AFTER": _whole(1),
    "S3_MULTIPART_RECORDS_FILES_ENDPOINTS": _endpoints,
    "S3_MULTIPART_RDM_SERVICES": _services,
    "S3_MULTIPART_RDM_LINKS_LIMIT": _whole(0, optional=True),
    "S3_MULTIPART_RDM_RECOMPUTE_RATE": _whole(0, optional=True),
}
"""One check for each setting of :mod:`oarepo_s3.config`."""


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check each setting by itself, and those that have to fit together.

    :raises ConfigurationError: one cannot work; the message names it.
    """
    for name, check in CHECKS.items():
        problem = check(settings[name])
        if problem:
            raise ConfigurationError(name, problem)
    smallest, preferred, biggest = (settings[f"S3_MULTIPART_{name}PART_SIZE"] for name in ("MIN_", "", "MAX_"))
    if not smallest <= preferred <= biggest:
        raise ConfigurationError(
            "S3_MULTIPART_PART_SIZE",
            "has to lie between S3_MULTIPART_MIN_PART_SIZE and S3_MULTIPART_MAX_PART_SIZE",
        )
    if settings["S3_MULTIPART_URLS_PER_ANSWER"] > settings["S3_MULTIPART_MAX_URLS_PER_ANSWER"]:
        raise ConfigurationError("S3_MULTIPART_URLS_PER_ANSWER", "has to be at most S3_MULTIPART_MAX_URLS_PER_ANSWER")


def limits_of(settings: Mapping[str, Any]) -> Limits:
    """What the store takes."""
    return Limits(
        min_part_size=settings["S3_MULTIPART_MIN_PART_SIZE"],
        max_part_size=settings["S3_MULTIPART_MAX_PART_SIZE"],
        max_parts=settings["S3_MAXIMUM_NUMBER_OF_PARTS"],
        preferred_part_size=settings["S3_MULTIPART_PART_SIZE"],
        max_file_size=settings["S3_MULTIPART_MAX_FILE_SIZE"],
    )


def rules_of(settings: Mapping[str, Any]) -> Rules:
    """What an upload's life goes by."""
    names = (
        "upload_expiration", "url_expiration", "urls_per_answer", "max_urls_per_answer", "pin_content_length",
        "equal_parts", "opaque_etags", "busy_wait", "complete_timeout", "reconcile_after", "sweep_batch",
        "sweep_concurrency", "sweep_deadline", "one_put_limit", "batch_limit",
    )  # fmt: skip
    values = {name: settings[f"S3_MULTIPART_{name.upper()}"] for name in names}
    return Rules(max_key_length=settings["FILES_REST_OBJECT_KEY_MAX_LEN"], **values)
