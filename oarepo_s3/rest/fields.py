# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Fields of requests, and the errors for those that cannot be used."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields

from ..errors import BadRequest

MAX_WHOLE_NUMBER = 2**63 - 1
"""What databases take for a size."""

REPORTED = 100
"""How many errors an answer lists."""

_DIGITS = re.compile(r"[+-]?[0-9]{1,30}")


def is_text(value: str) -> bool:
    """Whether every database and every JSON parser takes it: no control characters, no half characters."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


class WholeNumber(fields.Integer):
    """A whole number, also as decimal digits, as forms have it; neither True nor 1.0."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if type(value) is not int:
            raise self.make_error("invalid")
        if not -MAX_WHOLE_NUMBER <= value <= MAX_WHOLE_NUMBER:
            raise self.make_error("too_large")
        return value


def load(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data as the schema wants it.

    :raises BadRequest: it does not fit; ``errors`` names each field and what is wrong with it.
    """
    try:
        loaded: dict[str, Any] = schema.load(data)
        return loaded
    except ValidationError as error:
        raise invalid_fields(dict(_flat(error.messages_dict))) from None


def invalid_fields(problems: Mapping[str, str]) -> BadRequest:
    """The error for fields that cannot be used."""
    errors = [{"field": field, "message": message} for field, message in problems.items()]
    return BadRequest(f"Invalid or missing: {', '.join(list(problems)[:REPORTED])}.", errors=errors[:REPORTED])


def _flat(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, " ".join(str(message) for message in messages)
