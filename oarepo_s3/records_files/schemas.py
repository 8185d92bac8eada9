# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What requests may say, and what it means."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate

from ..errors import InvalidChecksum, InvalidKey
from ..rest.fields import WholeNumber, invalid_fields, is_text, load
from .entries import FACTS

ACTIONS = ("complete-multipart", "abort-multipart", "parts-multipart", "sign-multipart")
"""Last segments of our own paths; a file of such a name could not be told from them."""

_LEGACY_PATH = re.compile(r"(^|.*/)[^/]{43}/(parts|complete|abort|[^/]+/presigned)", re.DOTALL)
_MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}( ?;[ -~]*)?\Z"
_CHECKSUM = re.compile(r"multipart:[0-9a-f]{32}-[1-9]\d{0,4}-[1-9]\d{0,18}|etag:[0-9A-Za-z+/=_.-]{1,200}")


def _plain_text(value: str) -> None:
    if not is_text(value):
        raise ValidationError("Control characters are not allowed.")


class FileSchema(Schema):
    """What every new file has; other fields are metadata of the file."""

    class Meta:
        """Keep what is not declared."""

        unknown = INCLUDE

    key = fields.String(required=True)


class UploadSchema(FileSchema):
    """What a new upload may have."""

    size = WholeNumber(required=True)
    part_size = WholeNumber(load_default=None, allow_none=True)
    multipart_content_type = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(max=255), validate.Regexp(_MEDIA_TYPE, error="Not a media type.")],
    )
    fingerprint = fields.String(load_default=None, allow_none=True, validate=[validate.Length(max=255), _plain_text])
    checksum = fields.String(load_default=None, allow_none=True)
    content_md5 = fields.String(load_default=None, allow_none=True)
    parts = fields.String(load_default=None, allow_none=True)


class QuerySchema(Schema):
    """What the address of a request may have."""

    multipart = fields.Boolean(load_default=False)
    complete = fields.Boolean(load_default=False)
    page = WholeNumber(load_default=1, validate=validate.Range(1, 10**6))

    class Meta:
        """Ignore what is not declared."""

        unknown = "exclude"


@dataclass(frozen=True, slots=True)
class NewFile:
    """The file that a request wants to make; ``metadata`` are the depositor's own fields."""

    key: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewUpload(NewFile):
    """The upload that a request wants to open; sizes in bytes, ``parts`` as in ``1-100,205``, ``all``, ``none``."""

    size: int
    part_size: int | None
    content_type: str
    fingerprint: str | None
    checksum: str | None
    content_md5: str | None
    parts: str | None


_UPLOAD = UploadSchema()

QUERY_FIELDS = frozenset(_UPLOAD.fields)
"""Fields of a new upload that may also come in the address."""

RESERVED = frozenset(
    {*FACTS, *QUERY_FIELDS, "multipart", "multipart_upload", "uploadId", "expiration", "location",
     "readable"}
)  # fmt: skip
"""Names that metadata of a file cannot have: they say something else in an entry, a request or an answer."""


def new_upload(data: Mapping[str, Any]) -> NewUpload:
    """The upload that the fields of a request ask for.

    :raises BadRequest: a field is missing or has a wrong type.
    :raises InvalidKey: the key is one of our own paths.
    :raises InvalidChecksum: the checksum has no form that can be compared.
    """
    loaded = load(_UPLOAD, data)
    check_not_reserved(loaded["key"])
    checksum = loaded["checksum"]
    if checksum is not None and not _CHECKSUM.fullmatch(checksum):
        raise InvalidChecksum("checksum has to be multipart:<etag>-<part size> or etag:<etag>.")
    return NewUpload(
        key=loaded["key"],
        metadata=_metadata(loaded),
        size=loaded["size"],
        part_size=loaded["part_size"],
        content_type=loaded["multipart_content_type"] or "application/octet-stream",
        fingerprint=loaded["fingerprint"],
        checksum=checksum,
        content_md5=loaded["content_md5"],
        parts=loaded["parts"],
    )


def new_file(data: Mapping[str, Any]) -> NewFile:
    """The file that the fields of a form with a file in it ask for."""
    loaded = load(FileSchema(), data)
    check_not_reserved(loaded["key"])
    return NewFile(loaded["key"], _metadata(loaded))


def check_not_reserved(key: str) -> None:
    """Refuse a key that would look like one of our own paths.

    :raises InvalidKey: it would.
    """
    if key.rpartition("/")[2] in ACTIONS or _LEGACY_PATH.fullmatch(key):
        raise InvalidKey("The end of the file key is the name of an action.", reserved=list(ACTIONS))


def _metadata(loaded: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are left for the depositor."""
    kept = {name: value for name, value in loaded.items() if name not in RESERVED}
    wrong = [name for name, value in kept.items() if not _storable(name, value)]
    if wrong:
        raise invalid_fields(dict.fromkeys(wrong, "Control characters are not allowed."))
    return kept


def _storable(name: str, value: Any) -> bool:
    return all("\0" not in text and not _has_half_characters(text) for text in (name, *_texts(value)))


def _has_half_characters(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
