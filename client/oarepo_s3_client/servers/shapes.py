# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Values in answers, each of the type that it has to be: what a repository says is not trusted to be well formed.

Each function raises ServerTrouble where the value is another one.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from oarepo_s3_client.errors import ServerTrouble
from oarepo_s3_client.plan import MAX_PARTS

T = TypeVar("T")

BIGGEST = 2**63 - 1
"""What a database has for a file of any size."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")


def unexpected() -> ServerTrouble:
    """The error for an answer that nobody can use."""
    return ServerTrouble(
        "The repository does not answer as expected.",
        hint="Is this the address of a record's API, such as https://host/api/records/<id>/draft?",
        code="bad_answer",
    )


def of_type(value: Any, kind: type[T]) -> T:
    """The value, which has to be of this type."""
    if not isinstance(value, kind):
        raise unexpected()
    return value


def object_of(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for null."""
    return {} if value is None else of_type(value, dict)


def list_of(value: Any) -> list[Any]:
    """A JSON list; an empty one for null."""
    return [] if value is None else of_type(value, list)


def objects_of(value: Any) -> list[dict[str, Any]]:
    """A JSON list of objects."""
    return [of_type(entry, dict) for entry in list_of(value)]


def number_of(value: Any, least: int = 0, most: int = BIGGEST) -> int:
    """A whole number in these bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise unexpected()
    return value


def part_number_of(value: Any) -> int:
    """The number of a part."""
    return number_of(value, 1, MAX_PARTS)


def range_of(value: Any) -> tuple[int, int]:
    """First and last number of some parts."""
    if len(list_of(value)) != 2:
        raise unexpected()
    return part_number_of(value[0]), part_number_of(value[1])


def optional_text(value: Any) -> str | None:
    """A text, or null."""
    return None if value is None else of_type(value, str)


def web_address_of(value: Any, near: str = "") -> str:
    """An address that parts are sent to or fetched from; it may be relative to one that is near.

    Raises:
        ServerTrouble: it is none of http or https, or has what no address has.
    """
    text = of_type(value, str)
    try:
        text = urljoin(near, text)
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise ServerTrouble(
            "The repository gives an address of its store that cannot be used.",
            hint="Tell the operators of the repository.",
            code="store_address",
        )
    return text


def headers_of(value: Any) -> Mapping[str, str]:
    """Headers that are signed with a URL."""
    headers = of_type(value, dict)
    for name, content in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(of_type(content, str)):
            raise unexpected()
    return headers
