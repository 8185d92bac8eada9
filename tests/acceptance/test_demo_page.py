# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from demo.traffic import TrafficLog
from tests.acceptance.conftest import run_demo
from tests.servers.process import clean_environment, wait_until

MIB = 2**20


def open_upload(demo, key, size, **fields):
    answer = demo.ask("POST", "/draft/records/1/files/?multipart=True", json={"key": key, "size": size, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["multipart_upload"]


def row_of(demo, key):
    """The row of a table of the page that begins with a key."""
    rows = re.findall(r"<tr>(.*?)</tr>", demo.ask("GET", "/overview").text, re.DOTALL)
    return next((row for row in rows if re.search(rf">{re.escape(key)}<", row)), None)


def test_page_lists_record_file_and_pending_upload(demo):
    session = open_upload(demo, "pending <b>&.zip", 20 * MIB)
    assert requests.put(session["parts_url"][0], data=bytes(8 * MIB), timeout=30).status_code == 200
    assert "64.0 MiB" in row_of(demo, "measurements.bin")
    row = row_of(demo, "pending &lt;b&gt;&amp;.zip")
    assert 'class="state open"' in row
    assert "20.0 MiB" in row
    assert f'<progress max="{20 * MIB}" value="{8 * MIB}">' in row
    assert re.search(r"40 %, 1\s+part\b", row)
    assert re.search(r'<time datetime="\d{4}-', row)
    assert demo.ask("POST", session["abort_url"].removeprefix(demo.url), json={}).status_code == 200
    assert row_of(demo, "pending &lt;b&gt;&amp;.zip") is None


def test_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(demo):
    answer = demo.ask("GET", "/")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy
    addresses = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert all(address.startswith("/") or address == "data:," for address in addresses), addresses
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", answer.text)
    for path in re.findall(r'"(/static/[^"]*)"', answer.text):
        assert demo.ask("GET", path).status_code == 200


def test_page_does_not_hold_the_token(demo):
    assert demo.token not in demo.ask("GET", "/", token="").text
    assert stat.S_IMODE((demo.folder / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE((demo.folder / "settings.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("token", ["", "wrong", "ž"])
def test_only_the_token_may_write(demo, token):
    header = {"Authorization": f"Bearer {token}".encode()}
    body = {"key": "not-mine.zip", "size": 20 * MIB}
    url = f"{demo.url}/draft/records/1/files/?multipart=True"
    assert requests.post(url, json=body, headers=header, timeout=30).status_code == 401
    assert requests.post(f"{demo.url}/draft/records/", json={}, headers=header, timeout=30).status_code == 401
    assert row_of(demo, "not-mine.zip") is None


def test_browsers_of_this_page_only_may_put_parts(demo):
    session = open_upload(demo, "from-a-browser.zip", 20 * MIB)
    asked = {"Access-Control-Request-Method": "PUT", "Origin": demo.url}
    answer = requests.options(session["parts_url"][0], headers=asked, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == demo.url
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert demo.ask("POST", session["abort_url"].removeprefix(demo.url), json={}).status_code == 200


def test_bytes_of_a_file_that_goes_through_invenio_are_counted(demo):
    log = TrafficLog(demo.folder / "traffic.log")
    before = len(log.read())
    assert demo.ask("PUT", "/draft/records/1/files/streamed.bin", data=bytes(MIB)).status_code == 201
    # The line is written after the answer has gone.
    wait_until(lambda: len(log.read()) > before, seconds=10, what="the request was not logged")
    counted = [exchange for exchange in log.read()[before:] if exchange.request.startswith("PUT ")]
    assert [(exchange.received, exchange.file_bytes) for exchange in counted] == [(MIB, MIB)]


def test_client_goes_on_where_another_has_stopped(demo, make_file, tmp_path):
    path = make_file("resumed.bin", 20 * MIB)
    session = open_upload(demo, path.name, 20 * MIB)
    with path.open("rb") as file:
        assert requests.put(session["parts_url"][0], data=file.read(8 * MIB), timeout=30).status_code == 200
    log = TrafficLog(demo.folder / "traffic.log")
    before = len(log.read())
    program = str(Path(sys.executable).with_name("oarepo-s3"))
    environment = clean_environment({"OAREPO_S3_TOKEN": demo.token, "OAREPO_S3_STATE_DIR": str(tmp_path / "state")})
    argv = [program, "upload", str(path), f"{demo.url}/draft/records/1"]
    subprocess.run(argv, check=True, capture_output=True, timeout=60, env=environment)
    sent = [exchange.file_bytes for exchange in log.read()[before:] if exchange.request == "PUT of a part"]
    assert sorted(sent) == [4 * MIB, 8 * MIB]
    redirect = demo.ask("GET", "/draft/records/1/files/resumed.bin")
    assert redirect.status_code == 302
    assert requests.get(redirect.headers["Location"], timeout=30).content == path.read_bytes()


def test_scheduled_task_ends_an_expired_upload():
    with run_demo("--expiration", "20") as short_lived:
        session = open_upload(short_lived, "too-late.zip", 20 * MIB)
        assert row_of(short_lived, "too-late.zip") is not None
        wait_until(
            lambda: row_of(short_lived, "too-late.zip") is None,
            seconds=90,
            what="the upload was not swept",
            log=short_lived.log,
        )
        assert short_lived.ask("GET", "/draft/records/1/files/too-late.zip").status_code == 404
        answer = short_lived.ask("POST", session["complete_url"].removeprefix(short_lived.url), json={})
        assert answer.status_code == 410
        assert "expired&nbsp;" in row_of(short_lived, "cleanup_expired_multipart_uploads")
