# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Who may do what: everybody reads, and whoever shows the token of this run writes.

The token travels in the ``Authorization`` header only, never in a cookie, so that a page of another site in the same
browser cannot use it.
"""

import hmac
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Request, Response, abort, current_app, jsonify, url_for
from flask_login import LoginManager, UserMixin, current_user
from invenio_pidstore.models import PersistentIdentifier, PIDStatus

TOKEN_SETTING = "DEMO_TOKEN"
SCHEME = "Bearer "

blueprint = Blueprint("demo_access", __name__, url_prefix="/access-tokens")


class DemoUser(UserMixin):
    """The one user there is."""

    id = 1


class Permission:
    """What Invenio asks before it does something."""

    def __init__(self, allowed: Callable[[], bool]) -> None:
        """Ask ``allowed`` each time."""
        self.can = allowed


def everybody(*args: Any, **kwargs: Any) -> Permission:
    """Permission factory: anybody may."""
    return Permission(lambda: True)


def demo_user(*args: Any, **kwargs: Any) -> Permission:
    """Permission factory: the demo's user may."""
    return Permission(lambda: bool(current_user.is_authenticated))


def nobody(*args: Any, **kwargs: Any) -> Permission:
    """Permission factory: nobody may, as for searching without a search engine."""
    return Permission(lambda: False)


def create_login_manager() -> LoginManager:
    """Return the extension that finds the user of a request."""
    manager = LoginManager()
    manager.request_loader(load_user)
    return manager


def load_user(request: Request) -> DemoUser | None:
    """Return the demo's user if the request shows the token, otherwise None."""
    header = request.headers.get("Authorization", "")
    shown = header.removeprefix(SCHEME) if header.startswith(SCHEME) else ""
    valid = hmac.compare_digest(shown.encode(), current_app.config[TOKEN_SETTING].encode())
    return DemoUser() if valid else None


@blueprint.get("/status")
def status() -> Response:
    """Tell a client of oarepo-s3 1.4 that its token is good, and where it may upload: to the first record."""
    if not current_user.is_authenticated:
        abort(401)
    pid = (
        PersistentIdentifier.query.filter_by(pid_type="recid", status=PIDStatus.REGISTERED)
        .order_by(PersistentIdentifier.id)
        .first_or_404()
    )
    item = url_for("invenio_records_rest.drafts_item", pid_value=pid.pid_value, _external=True)
    return jsonify(status="OK", links={"files": f"{item}/files/"})


@blueprint.post("/revoke")
def revoke() -> Response:
    """Accept what a client of oarepo-s3 1.4 says at its end; the token is that of the run and stays good."""
    if not current_user.is_authenticated:
        abort(401)
    return jsonify(status="OK")
