# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Lists of parts, as requests have them."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields

from ..errors import InvalidPartList, InvalidPartNumber
from ..uploads.description import numbers_of
from .fields import WholeNumber, invalid_fields, load

NUMBER_NAMES = ("PartNumber", "PartNum", "part_number", "part")
ETAG_NAMES = ("ETag", "etag")
MAX_ETAG = 1024
"""Longest ETag in characters; those of real stores have less than 100."""

_NUMBER = WholeNumber()


class SignSchema(Schema):
    """What a request for part URLs may have."""

    parts = fields.Raw(required=True)
    content_md5 = fields.Dict(keys=WholeNumber(), values=fields.String(), load_default=dict, allow_none=True)

    class Meta:
        """Ignore what is not declared."""

        unknown = "exclude"


def claimed_parts(document: Mapping[str, Any], most: int) -> dict[int, str] | None:
    """Number -> ETag of the parts that a client says it has sent, or None if it does not say.

    Any order will do, the ETags may have their quotes or not, and other fields of a part do not matter.

    :param most: how many parts an upload can have.
    :raises BadRequest: ``parts`` is no list of objects with a number and an ETag each.
    :raises InvalidPartList: it is too long, or has a part twice with different ETags.
    :raises InvalidPartNumber: a number is less than 1.
    """
    parts = document.get("parts")
    if parts is None:
        return None
    if not isinstance(parts, list):
        raise invalid_fields({"parts": "Not a list."})
    if len(parts) > most:
        raise InvalidPartList(f"An upload has at most {most} parts.", limit=most)
    claimed: dict[int, str] = {}
    problems: dict[str, str] = {}
    for index, part in enumerate(parts):
        number, etag = _number(part, index, problems), _etag(part, index, problems)
        if number is not None and etag is not None and claimed.setdefault(number, etag) != etag:
            raise InvalidPartList(f"Part {number} is in the list twice, with different ETags.", part=number)
    if problems:
        raise invalid_fields(problems)
    return claimed or None


def _number(part: Any, index: int, problems: dict[str, str]) -> int | None:
    value = _first(part, NUMBER_NAMES)
    try:
        number: int = _NUMBER.deserialize(value)
    except ValidationError:
        problems[f"parts.{index}.PartNumber"] = "Not a valid integer." if value is not None else "Missing."
        return None
    if number < 1:
        raise InvalidPartNumber("Parts are counted from 1.", part=number)
    return number


def _etag(part: Any, index: int, problems: dict[str, str]) -> str | None:
    value = _first(part, ETAG_NAMES)
    etag = value.strip().strip('"') if isinstance(value, str) else ""
    if not etag or len(etag) > MAX_ETAG:
        problems[f"parts.{index}.ETag"] = "Not a valid ETag." if value is not None else "Missing."
        return None
    return etag


def _first(part: Any, names: tuple[str, ...]) -> Any:
    if not isinstance(part, dict):
        return None
    return next((part[name] for name in names if part.get(name) is not None), None)


def wanted_urls(document: Mapping[str, Any], last: int, most: int) -> tuple[list[int], dict[int, str]]:
    """(part numbers, number -> base64 of the part's MD5) that a client wants URLs for.

    :param last: the number of the last part.
    :param most: how many URLs an answer may carry.
    :raises BadRequest: ``parts`` is neither a list of numbers nor like ``1-100,205``, or an MD5 is none.
    :raises InvalidPartList: these are too many.
    :raises InvalidPartNumber: the upload has no such part.
    """
    loaded = load(SignSchema(), document)
    md5 = loaded["content_md5"] or {}
    wrong = [number for number, value in md5.items() if not _is_md5(value)]
    if wrong:
        raise invalid_fields({f"content_md5.{number}": "Not the base64 of an MD5." for number in wrong})
    return _numbers(loaded["parts"], last, most), md5


def _numbers(parts: Any, last: int, most: int) -> list[int]:
    if isinstance(parts, str):
        return numbers_of(parts, last, most)
    if not isinstance(parts, list) or any(type(number) is not int for number in parts):
        raise invalid_fields({"parts": "Neither a list of part numbers nor a text such as 1-100,205."})
    if len(parts) > most:
        raise InvalidPartList(f"At most {most} parts can be asked for at a time.", limit=most)
    for number in parts:
        if not 1 <= number <= last:
            raise InvalidPartNumber(f"The upload has the parts 1 to {last}.", part=number)
    return sorted(set(parts))


def _is_md5(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
