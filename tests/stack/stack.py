# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The application in real processes: gunicorn with several workers, and Celery workers."""

import json
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery

from tests.servers.folder import PROJECT, server_folder
from tests.servers.process import Daemon, accepts_connections, free_port, is_alive, running, wait_until

from .application import APPLICATION_VARIABLE, CLOCK_VARIABLE, SETTINGS_VARIABLE, TASK_LOG_VARIABLE
from .client import Client
from .processes import children_of, kill, owner_of_port

START_SECONDS = 60.0
TASK_SECONDS = 60.0

SWEEP = "oarepo_s3.tasks.cleanup_expired_multipart_uploads"
RECONCILE = "oarepo_s3.tasks.reconcile_multipart_uploads"


class TaskNotDone(AssertionError):  # noqa: N818 - what happened, as the tests read it
    """A task has failed, or did not end in time; its worker may be dead."""


@dataclass(frozen=True)
class Node:
    """A Celery worker: the process that talks to the broker, and its one child that runs the tasks."""

    name: str
    daemon: Daemon

    def task_process(self) -> int:
        """The id of the child, once there is one."""
        wait_until(lambda: bool(children_of(self.daemon.pid)), seconds=START_SECONDS, what=f"{self.name} has no child")
        return children_of(self.daemon.pid)[0]


@dataclass
class Stack:
    """The running processes.

    Attributes:
        url: where the application is.
        web: gunicorn's master.
        nodes: the Celery workers.
        clock: the file that puts the web workers' clock forward; ``worker_clock`` is that of the Celery workers.
    """

    url: str
    folder: Path
    web: Daemon
    nodes: list[Node]
    queue: Celery
    clock: Path
    worker_clock: Path
    task_log: Path
    offset: float = 0.0
    sent: list[str] = field(default_factory=list)

    # time -------------------------------------------------------------------------------------------------------------

    def forward(self, seconds: float) -> None:
        """Move the uploads' time for every process."""
        self.offset += seconds
        set_clock(self.clock, self.offset)
        set_clock(self.worker_clock, self.offset)

    @contextmanager
    def workers_ahead(self, seconds: float) -> Iterator[None]:
        """Let the clock of the Celery workers be wrong by so many seconds."""
        set_clock(self.worker_clock, self.offset + seconds)
        try:
            yield
        finally:
            set_clock(self.worker_clock, self.offset)

    # processes --------------------------------------------------------------------------------------------------------

    def client(self, user: str | None = "owner", **options: Any) -> Client:
        """A client of the application."""
        return Client(self.url, user, **options)

    def web_workers(self) -> list[int]:
        """The processes that serve requests."""
        return children_of(self.web.pid)

    def task_processes(self) -> list[int]:
        """The processes that run tasks."""
        return [child for node in self.nodes for child in children_of(node.daemon.pid)]

    def kill_owner(self, port: int) -> None:
        """Kill the worker, of either kind, whose connection comes from this port; others take its place."""
        pids = [*self.web_workers(), *self.task_processes()]
        kill(owner_of_port(port, pids))

    # tasks ------------------------------------------------------------------------------------------------------------

    def send(self, task: str, **arguments: Any) -> str:
        """Send a task to the broker, and return its id."""
        task_id = str(uuid.uuid4())
        self.queue.send_task(task, kwargs=arguments, task_id=task_id, retry=True)
        self.sent.append(task_id)
        return task_id

    def ended(self) -> dict[str, dict[str, Any]]:
        """What the workers have noted of each task that has ended, by id."""
        lines = self.task_log.read_text(encoding="utf-8").splitlines()
        return {line["id"]: line for line in map(json.loads, lines)}

    def result(self, task_id: str, *, seconds: float = TASK_SECONDS) -> Any:
        """Wait for a task, and return what it returned.

        Raises:
            ServerError: it did not end in time.
            TaskNotDone: it has failed.
        """
        wait_until(lambda: task_id in self.ended(), seconds=seconds, what=f"task {task_id} was not done")
        line = self.ended()[task_id]
        if line["state"] != "SUCCESS":
            raise TaskNotDone(line)
        return line["result"]

    def run(self, task: str, **arguments: Any) -> Any:
        """Send a task, wait for it, and return what it returned."""
        return self.result(self.send(task, **arguments))


def set_clock(path: Path, seconds: float) -> None:
    """Write a clock's file so that readers see either the old or the new time."""
    new = path.with_suffix(".new")
    new.write_text(str(seconds), encoding="utf-8")
    os.replace(new, path)


@contextmanager
def start(
    settings: Mapping[str, Any],
    *,
    broker_url: str,
    web_workers: int = 2,
    threads: int = 4,
    nodes: int = 2,
    application: str = "tests.stack.application",
) -> Iterator[Stack]:
    """Start the application.

    Args:
        settings: of the application, the database's URL among them.
        broker_url: where Celery's messages go.
        web_workers: processes that serve requests; 0 for no web at all.
        threads: requests that each of them serves at once.
        nodes: Celery workers, with one process each for tasks.
        application: module whose ``create_application()`` the processes run.

    Raises:
        ServerError: something did not come up.
    """
    with server_folder("stack") as folder, ExitStack() as stack:
        clock, worker_clock, task_log = folder / "clock", folder / "worker-clock", folder / "tasks"
        set_clock(clock, 0)
        set_clock(worker_clock, 0)
        task_log.touch()
        celery_settings = {
            "BROKER_URL": broker_url,
            "CELERY_BROKER_URL": broker_url,
            "CELERY_RESULT_BACKEND": "disabled",
            "CELERY_TASK_IGNORE_RESULT": True,
            "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        }
        env = {
            "PYTHONPATH": str(PROJECT),
            SETTINGS_VARIABLE: json.dumps(celery_settings | dict(settings)),
            TASK_LOG_VARIABLE: str(task_log),
            APPLICATION_VARIABLE: application,
        }
        port = free_port()
        web = _start_web(folder, port, web_workers, threads, env | {CLOCK_VARIABLE: str(clock)})
        stack.enter_context(running(web))
        worker_env = env | {CLOCK_VARIABLE: str(worker_clock)}
        started = [_start_node(folder, f"node{number}", worker_env) for number in range(nodes)]
        stack.enter_context(running(*(node.daemon for node in started)))
        # All at once: each takes some seconds, mostly by waiting.
        stack.callback(_ask_to_stop, web, *(node.daemon for node in started))
        web.wait_ready(lambda: accepts_connections(port), seconds=START_SECONDS)
        queue = Celery("stack", broker=broker_url)
        queue.conf.task_ignore_result = True
        stack.callback(queue.close)
        running_stack = Stack(
            f"http://127.0.0.1:{port}", folder, web, started, queue, clock, worker_clock, task_log
        )  # fmt: skip
        for node in started:
            node.daemon.wait_ready(lambda node=node: _is_ready(node), seconds=START_SECONDS)  # type: ignore[misc]
        yield running_stack


def _ask_to_stop(*daemons: Daemon) -> None:
    for daemon in daemons:
        if is_alive(daemon.pid):
            os.kill(daemon.pid, signal.SIGTERM)


def _start_web(folder: Path, port: int, workers: int, threads: int, env: Mapping[str, str]) -> Daemon:
    options = {
        "bind": f"127.0.0.1:{port}",
        "workers": workers,
        "worker-class": "gthread",
        "threads": threads,
        "keep-alive": 30,
        "timeout": 120,
        "graceful-timeout": 3,
    }
    argv = [sys.executable, "-m", "gunicorn", "--preload", "--no-control-socket"]
    argv += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    argv.append(f"{env[APPLICATION_VARIABLE]}:create_application()")
    return Daemon("gunicorn", argv, folder / "web.log", env=env, measured=True)


def _start_node(folder: Path, name: str, env: Mapping[str, str]) -> Node:
    argv = [sys.executable, "-m", "celery", "-A", "tests.stack.worker", "worker", "--loglevel", "INFO"]
    argv += ["--pool", "prefork", "--concurrency", "1", "--hostname", f"{name}@stack"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return Node(name, Daemon(name, argv, folder / f"{name}.log", env=env, measured=True))


def _is_ready(node: Node) -> bool:
    return is_alive(node.daemon.pid) and b" ready." in node.daemon.log.read_bytes()
