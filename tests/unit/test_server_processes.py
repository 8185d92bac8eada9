# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import os
import signal
import socket
import sys

import pytest

from tests.servers import ceph
from tests.servers.availability import available
from tests.servers.folder import run_folder, server_folder
from tests.servers.process import (
    Daemon,
    ServerError,
    accepts_connections,
    clean_environment,
    free_port,
    is_alive,
    run,
    running,
    start_time,
    wait_until,
)

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF_SLEEPER = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


def test_free_port_can_be_bound_and_nobody_listens():
    port = free_port()
    assert not accepts_connections(port)
    with socket.create_server(("127.0.0.1", port)):
        assert accepts_connections(port)


def test_daemon_is_listed_with_its_start_time_and_stops(tmp_path):
    daemon = Daemon("sleeper", SLEEPER, tmp_path / "log")
    with running(daemon):
        assert f"{daemon.pid} {start_time(daemon.pid)} sleeper" in (run_folder() / "pids").read_text().splitlines()
        assert is_alive(daemon.pid)
    assert not is_alive(daemon.pid)


def test_daemon_that_ignores_the_signal_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.servers.process.STOP_SECONDS", 0.2)
    daemon = Daemon("deaf", [sys.executable, "-c", DEAF_SLEEPER], tmp_path / "log")
    daemon.wait_ready(lambda: b"deaf" in (tmp_path / "log").read_bytes())
    daemon.stop()
    assert not is_alive(daemon.pid)


def test_daemon_that_ends_by_itself_is_reported_with_its_log(tmp_path):
    daemon = Daemon("broken", [sys.executable, "-c", "print('why it broke'); raise SystemExit(3)"], tmp_path / "log")
    with pytest.raises(ServerError, match=r"(?s)broken ended with 3.*why it broke"):
        daemon.wait_ready(lambda: False)


def test_daemon_that_is_never_ready_is_reported(tmp_path):
    daemon = Daemon("slow", SLEEPER, tmp_path / "log")
    with running(daemon), pytest.raises(ServerError, match="slow was not ready within 0.1 s"):
        daemon.wait_ready(lambda: False, seconds=0.1)


def test_zombie_counts_as_dead():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert start_time(pid) is None
        os.kill(pid, signal.SIG_DFL)  # it still holds its entry in the table of processes
    finally:
        os.waitpid(pid, 0)


def test_failed_command_shows_its_output():
    with pytest.raises(ServerError, match=r"(?s)ended with 1.*the reason"):
        run([sys.executable, "-c", "raise SystemExit('the reason')"])


def test_environment_of_servers_has_no_keys_and_no_coverage(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("COVERAGE_PROCESS_CONFIG", "config")
    environment = clean_environment({"MORE": "1"})
    assert not {"AWS_SECRET_ACCESS_KEY", "COVERAGE_PROCESS_CONFIG"} & environment.keys()
    assert environment["MORE"] == "1"


@pytest.mark.parametrize("measured", [False, True])
def test_only_measured_daemons_see_coverage(measured, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)  # it would be stopped in the middle of saving what was measured
    monkeypatch.setenv("COVERAGE_TEST", "here")
    program = "import os; print(os.environ.get('COVERAGE_TEST', 'nowhere'), flush=True)"
    log = tmp_path / "log"
    with running(Daemon("printer", [sys.executable, "-c", program], log, measured=measured)):
        wait_until(lambda: log.read_text().endswith("\n"), seconds=30, what="printed nothing")
    assert log.read_text() == ("here\n" if measured else "nowhere\n")


def test_folder_goes_with_its_server_and_stays_after_an_error():
    with server_folder("test") as folder:
        (folder / "file").touch()
    assert not folder.exists()
    with pytest.raises(ServerError), server_folder("test") as kept:
        raise ServerError
    assert kept.is_dir()
    kept.rmdir()


def test_missing_server_is_a_skip_for_a_user_and_a_failure_in_ci(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="apt: ceph-mon"), available(ceph.start()):
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ServerError, match="apt: ceph-mon"), available(ceph.start()):
        pass
