# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Starts the store, Invenio and Celery of one demo."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import store
from .processes import Supervisor, accepts_connections
from .settings import FOLDER_VARIABLE, PROJECT, Settings, drop_data, empty_folder
from .store_proxy import StoreProxy


@contextmanager
def running(settings: Settings) -> Iterator[tuple[Supervisor, StoreProxy]]:
    """Start all servers, and the proxy before the store, and end them afterwards; the folder keeps the logs only.

    Raises:
        DemoError: one did not start.
    """
    empty_folder(settings.path())
    settings.save()
    try:
        with Supervisor(settings.path()) as supervisor:
            store.start(supervisor, settings)
            _prepare(settings)
            _start_invenio(supervisor, settings)
            _start_celery(supervisor, settings)
            # It runs in threads of this process, so it comes last: the others are forked from a process without any.
            with StoreProxy(settings) as proxy:
                yield supervisor, proxy
    finally:
        drop_data(settings)


def _prepare(settings: Settings) -> None:
    """Prepare the database here: the store has to run, the servers must not yet."""
    # Invenio takes a second to import, and whoever asks for --help or a port in use shall not wait for it.
    from .app import create_app
    from .database import prepare

    prepare(create_app(settings))
    for name in ("messages", "control"):
        settings.path("broker", name).mkdir(parents=True)


def _start_invenio(supervisor: Supervisor, settings: Settings) -> None:
    supervisor.start(
        "invenio",
        [sys.executable, "-m", "gunicorn", "--config", "python:demo.gunicorn_settings", "demo.wsgi:application"],
        env={FOLDER_VARIABLE: settings.folder},
        cwd=PROJECT,
        ready=lambda: accepts_connections(settings.port),
    )


def _start_celery(supervisor: Supervisor, settings: Settings) -> None:
    argv = [sys.executable, "-m", "celery", "-A", "demo.worker", "worker", "--beat", "--loglevel", "INFO"]
    argv += ["--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    log = settings.path("celery.log")
    supervisor.start(
        "celery",
        argv,
        env={FOLDER_VARIABLE: settings.folder},
        cwd=PROJECT,
        ready=lambda: _says(log, " ready."),
    )


def _says(log: Path, text: str) -> bool:
    return text in log.read_text("utf-8", errors="replace")
