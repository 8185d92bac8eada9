# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The application that the processes of the stack run, built from environment variables.

``STACK_SETTINGS``: JSON object with the application's settings. ``STACK_CLOCK``: path of a file that holds the
seconds by which uploads' clock is ahead of the real one, so that a test can move time for every process. URLs are
signed by the real clock, as the store checks them by its own. ``STACK_TASK_LOG``: path of a file to which the worker
appends a line of JSON for each task that has ended. ``STACK_APPLICATION``: the module whose ``create_application()`` it
is, this one or another.
"""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from invenio_celery import InvenioCelery
from invenio_pidstore.fetchers import FetchedPID
from invenio_records_rest.views import create_blueprint_from_app as create_records_blueprint

from tests.integration.records_app import ENDPOINTS, make_records_app, may_write

SETTINGS_VARIABLE = "STACK_SETTINGS"
CLOCK_VARIABLE = "STACK_CLOCK"
TASK_LOG_VARIABLE = "STACK_TASK_LOG"
APPLICATION_VARIABLE = "STACK_APPLICATION"

DATABASE_SETTING = "SQLALCHEMY_DATABASE_URI"
PID_FETCHER = "stack"


class FileClock:
    """The real time, put forward by what stands in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> datetime:
        """The time for uploads."""
        return datetime.now(UTC) + timedelta(seconds=float(self._path.read_text(encoding="utf-8")))


def create_application() -> Flask:
    """Return the application; for gunicorn and for Celery."""
    settings: dict[str, Any] = json.loads(os.environ[SETTINGS_VARIABLE])
    app = make_records_app(settings.pop(DATABASE_SETTING), **{"RECORDS_REST_ENDPOINTS": _endpoints(), **settings})
    InvenioCelery(app)
    app.extensions["invenio-pidstore"].register_fetcher(PID_FETCHER, _fetch)
    app.register_blueprint(create_records_blueprint(app))
    move_clock(app, FileClock(Path(os.environ[CLOCK_VARIABLE])))
    with app.app_context():
        # Each process builds this for itself; what it imports for that is imported before the first fork.
        assert app.extensions["oarepo-s3"].uploads
    return app


def move_clock(app: Flask, clock: FileClock) -> None:
    """Let the use cases go by another clock, in each process that builds them."""
    extension = app.extensions["oarepo-s3"]
    build = extension._context
    extension._context = lambda settings: replace(build(settings), clock=clock)


def _endpoints() -> dict[str, Any]:
    """The endpoint of the tests with a view that deletes records."""
    deleting = {
        "pid_minter": "recid",
        "pid_fetcher": PID_FETCHER,
        "default_endpoint_prefix": True,
        "default_media_type": "application/json",
        "record_serializers": {"application/json": "invenio_records_rest.serializers:json_v1_response"},
        "search_serializers": {"application/json": "invenio_records_rest.serializers:json_v1_search"},
        "indexer_class": None,
        "use_options_view": False,
        "delete_permission_factory_imp": may_write,
    }
    return {"recid": {**ENDPOINTS["recid"], **deleting}}


def _fetch(record_uuid: Any, data: Any) -> FetchedPID:
    return FetchedPID(provider=None, pid_type="recid", pid_value=str(data.get("title")))
