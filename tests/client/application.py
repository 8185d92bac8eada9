# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The application of the stack for clients with tokens: the token of a user is ``token-of-<user>``."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from tests.integration.records_app import USER_HEADER
from tests.stack.application import create_application as create_stack_application

SCHEME = "Bearer token-of-"


def create_application() -> Flask:
    """Return the application; for gunicorn."""
    app = create_stack_application()
    app.wsgi_app = _with_tokens(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _with_tokens(wsgi_app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    variable = "HTTP_" + USER_HEADER.upper().replace("-", "_")

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        shown = environ.get("HTTP_AUTHORIZATION", "")
        if shown.startswith(SCHEME):
            environ[variable] = shown.removeprefix(SCHEME)
        return wsgi_app(environ, start_response)

    return serve
