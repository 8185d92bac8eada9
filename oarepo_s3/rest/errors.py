# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Errors as the REST contract shows them: JSON with ``status``, ``message``, ``code`` and details."""

import logging
from typing import Any

from flask import Response, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from ..errors import OARepoS3Error

logger = logging.getLogger(__name__)

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "gone",
    413: "request_too_large",
    415: "unsupported_media_type",
    422: "bad_request",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}
"""Codes of answers whose reason is none of our own errors, by HTTP status."""


def body_of(error: OARepoS3Error) -> dict[str, Any]:
    """The JSON for one of our own errors."""
    return {**error.details, "status": error.status, "message": error.message, "code": error.code}


def answer_error(error: OARepoS3Error) -> Response:
    """The answer for one of our own errors, with ``Retry-After`` where a repetition may help."""
    response = jsonify(body_of(error))
    response.status_code = error.status
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def http_body_of(error: HTTPException) -> dict[str, Any]:
    """The JSON for an error of Flask, Invenio or a receiver.

    Of a failure of ours the text is not shown: it may quote the store.
    """
    status = error.code or 500
    if status >= 500:
        logger.error("%s in %s, caused by %s", type(error).__name__, request.endpoint, type(error.__cause__).__name__)
    message = error.description if status < 500 else "The server could not do it."
    body = {"status": status, "message": str(message), "code": CODES.get(status, f"http_{status}")}
    errors = getattr(error, "get_errors", lambda: None)()
    if status < 500 and isinstance(errors, list):
        body["errors"] = errors
    return body


def answer_http_error(error: HTTPException) -> AnyResponse:
    """The answer for the same; a redirect that comes as an exception stays one."""
    if error.response is not None:
        return error.get_response()
    body = http_body_of(error)
    response = jsonify(body)
    response.status_code = body["status"]
    for name, value in error.get_headers(request.environ):
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response
