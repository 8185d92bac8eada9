# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from tests.acceptance.conftest import DEMO, processes_of, run_demo, state_folder
from tests.servers.folder import PROJECT
from tests.servers.process import clean_environment, free_port, is_alive, wait_until


def run(*argv):
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=PROJECT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
    )


def test_once_shows_a_files_way_and_leaves_nothing_running():
    port = free_port()
    done = run("./run-demo.sh", "--once", "--port", str(port))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "OK"
    assert re.search(r"^SHA-256 +[0-9a-f]{64}, the same both ways$", done.stdout, re.MULTILINE)
    assert processes_of(state_folder(port)) == {}
    assert {path.name for path in state_folder(port).iterdir()} == {
        "celery.log", "invenio.log", "pids", "store.log", "traffic.log"
    }  # fmt: skip
    shutil.rmtree(state_folder(port))


def test_counts_what_was_asked_of_whom(demo):
    shown = demo.log.read_text()
    assert re.search(r"^  Invenio: 5 requests, of the file 0 B$", shown, re.MULTILINE)
    # The parts once, the whole file back; what Invenio asks of the store has no bytes of the file.
    assert re.search(r"^  the store: \d+ requests, of the file 134,217,728 B$", shown, re.MULTILINE)
    for count, operation in [(8, "PUT of a part"), (1, "GET of the file"), (1, "CreateMultipartUpload")]:
        assert re.search(rf"^ +{count}  {operation}", shown, re.MULTILINE), operation
    assert re.search(r"^ +1  CompleteMultipartUpload$", shown, re.MULTILINE)


def test_port_in_use_is_one_clear_line_and_nothing_starts():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(*DEMO, "--once", "--port", str(port))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [f"Port {port} of 127.0.0.1 is in use; choose another one with --port N."]
    assert not state_folder(port).exists()


@pytest.mark.parametrize("options", [["--port", "0"], ["--port", "70000"], ["--port", "http"], ["--expiration", "0"]])
def test_wrong_option_is_named(options):
    done = run(*DEMO, *options)
    assert done.returncode == 2
    assert f"argument {options[0]}:" in done.stderr


def test_help_names_the_options():
    done = run(*DEMO, "--help")
    assert done.returncode == 0
    assert {"--once", "--port", "--expiration"} <= set(done.stdout.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_demo_takes_its_servers_along(number):
    with run_demo() as running:
        assert len(processes_of(running.folder)) >= 5  # store, gunicorn, its two workers, Celery
        os.kill(running.daemon.pid, number)
        wait_until(
            lambda: not is_alive(running.daemon.pid) and processes_of(running.folder) == {},
            seconds=30,
            what="the demo and its servers had not ended",
            log=running.log,
        )
        if number != signal.SIGKILL:
            assert running.log.read_text().splitlines()[-1] == "stopped"
