# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What the Celery workers of the stack run; notes each task that has ended."""

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from celery.signals import task_postrun
from flask_celeryext import create_celery_app

from .application import APPLICATION_VARIABLE, TASK_LOG_VARIABLE

app = create_celery_app(import_module(os.environ[APPLICATION_VARIABLE]).create_application())
app.set_default()


def note(task_id: str, task: Any, state: str, retval: Any, **_: Any) -> None:
    """Append a line; short enough that lines of several processes never mix."""
    line = {"id": task_id, "task": task.name, "pid": os.getpid(), "state": state}
    line["result" if state == "SUCCESS" else "error"] = retval if state == "SUCCESS" else repr(retval)
    with Path(os.environ[TASK_LOG_VARIABLE]).open("a", encoding="utf-8") as log:
        log.write(json.dumps(line, default=str) + "\n")


task_postrun.connect(note, weak=False)
