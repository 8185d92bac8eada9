# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The repository for gunicorn and Celery, built from the environment variables of :mod:`tests.stack.application`."""

import json
import os
from pathlib import Path
from typing import Any

from flask import Flask
from invenio_celery import InvenioCelery

from tests.stack.application import CLOCK_VARIABLE, DATABASE_SETTING, SETTINGS_VARIABLE, FileClock, move_clock

from .application import create_app


def create_application() -> Flask:
    """Return the application."""
    settings: dict[str, Any] = json.loads(os.environ[SETTINGS_VARIABLE])
    app = create_app(settings.pop(DATABASE_SETTING), **settings)
    InvenioCelery(app)
    move_clock(app, FileClock(Path(os.environ[CLOCK_VARIABLE])))
    with app.app_context():
        # What these import is imported before the first fork.
        assert app.extensions["oarepo-s3"].uploads
        assert app.extensions["invenio-records-resources"].transfer_registry
    return app
