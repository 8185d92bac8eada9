# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Reads the body of a request, within limits, as plain data."""

import json
from typing import Any, NoReturn

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from ..errors import BadRequest

MAX_BODY = 2 * 2**20
"""Biggest JSON body in bytes; the list of 10,000 parts takes less than half of it."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def read_json() -> Any:
    """The body as JSON data, or None if there is none.

    :raises BadRequest: it is no JSON.
    :raises UnsupportedMediaType: it does not say that it is JSON.
    :raises RequestEntityTooLarge: it has more than :data:`MAX_BODY` bytes.
    """
    body = _read()
    if not body.strip():
        return None
    if not request.is_json:
        raise UnsupportedMediaType("The body has to be application/json.")
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BadRequest("The body is no valid JSON.") from None


def read_object() -> dict[str, Any]:
    """The body as a JSON object; an empty one if there is none.

    :raises BadRequest: it is something else.
    """
    return _as_object(read_json())


def _as_object(data: Any) -> dict[str, Any]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BadRequest("The body has to be a JSON object.")
    return data


def read_form_or_object() -> dict[str, Any]:
    """The fields of a form, a list for those that are there more than once, or a JSON object.

    :raises BadRequest: it is something else.
    """
    given = read_form_or_json()
    if isinstance(given, list):
        raise BadRequest("The body has to be a JSON object.")
    return given


def read_form_or_json() -> dict[str, Any] | list[Any]:
    """The same, or a JSON list."""
    if request.mimetype not in _FORMS:
        data = read_json()
        return data if isinstance(data, list) else _as_object(data)
    fields = request.form.to_dict(flat=False)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _read() -> bytes:
    length = request.content_length
    if length is None:  # in chunks, if there is a body at all
        body = request.stream.read(MAX_BODY + 1)
        length = len(body)
    elif length <= MAX_BODY:
        body = request.get_data()
    if length > MAX_BODY:
        raise RequestEntityTooLarge(f"The body may have at most {MAX_BODY} bytes.")
    return bytes(body)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)
