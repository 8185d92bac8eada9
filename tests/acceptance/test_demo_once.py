# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from demo.client import LANES, PART_SIZE
from demo.walkthrough import FILE_SIZE
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


def bytes_of(shown):
    number, unit = shown.split()
    return float(number.replace(",", "")) * {"B": 1, "KiB": 2**10, "MiB": 2**20}[unit]


def test_killed_client_goes_on_and_sends_little_twice(demo):
    shown = demo.log.read_text()
    killed = re.search(r"^Killed +by SIGKILL, when (\S+ MiB) had gone to the store$", shown, re.MULTILINE)
    assert FILE_SIZE // 2 <= bytes_of(killed[1]) < FILE_SIZE
    there = re.search(r"^measurements.bin: 64.0 MiB in 13 parts of 5.0 MiB, (\S+ MiB) are there already$", shown, re.M)
    assert bytes_of(there[1]) >= FILE_SIZE // 2 - LANES * PART_SIZE
    twice = re.search(r"^Sent twice +(\S+ \w+) of 64.0 MiB; at most 2 lanes x 5.0 MiB$", shown, re.MULTILINE)
    assert bytes_of(twice[1]) <= LANES * PART_SIZE


def test_counts_what_was_asked_of_whom(demo):
    shown = demo.log.read_text()
    assert re.search(r"^  Invenio: \d+ requests, of the file 0 B$", shown, re.MULTILINE)
    # What Invenio asks of the store has no bytes of the file.
    whole = re.search(r"^  the store: \d+ requests, of the file ([\d,]+) B$", shown, re.MULTILINE)
    assert 2 * FILE_SIZE <= int(whole[1].replace(",", "")) <= 2 * FILE_SIZE + LANES * PART_SIZE
    puts = re.search(r"^ +(\d+)  PUT of a part +(\S+ MiB) in$", shown, re.MULTILINE)
    assert 13 <= int(puts[1]) <= 13 + LANES
    assert FILE_SIZE <= bytes_of(puts[2]) <= FILE_SIZE + LANES * PART_SIZE
    for count, operation in [(1, "GET of the file"), (1, "CreateMultipartUpload"), (1, "CompleteMultipartUpload")]:
        assert re.search(rf"^ +{count}  {operation}", shown, re.MULTILINE), operation


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
