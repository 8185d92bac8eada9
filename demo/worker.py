# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What the Celery worker runs; keeps what the last run of each scheduled task has done, for the page."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery.signals import task_success
from flask_celeryext import create_celery_app

from . import settings
from .app import create_app

_settings = settings.load()
app = create_celery_app(create_app(_settings))
app.set_default()


@task_success.connect(weak=False)
def keep_result(sender: Any, result: Any, **_: Any) -> None:
    """Write a task's counts to ``tasks/<name>.json``."""
    folder = _settings.path("tasks")
    folder.mkdir(exist_ok=True)
    name = sender.name.rpartition(".")[2]
    _replace(folder / f"{name}.json", json.dumps({"task": name, "at": datetime.now(UTC).isoformat(), "result": result}))


def _replace(path: Path, text: str) -> None:
    """Write a file so that readers see either all of it or what was there before."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
