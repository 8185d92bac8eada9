# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The client that was released for oarepo-s3 1.4, unchanged, as its users run it."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.servers.process import clean_environment

MIB = 2**20
PROGRAM = str(Path(sys.executable).with_name("oarepo-s3-cli"))
PART = 5 * MIB  # what this client chooses for files of this size


@pytest.fixture
def client(demo):
    """Runs the client with a command and its options, and returns what it prints; it has to succeed."""

    def run(*argv, code=0, token=demo.token):
        command = [PROGRAM, "--noninteractive", "--endpoint", demo.url, "--token", token, *map(str, argv)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean_environment())
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def open_upload(demo):
    """Opens an upload as this client does, and returns its id."""

    def run(key, size):
        fields = {"key": key, "name": key, "multipart_content_type": "application/octet-stream", "size": size}
        answer = demo.ask("POST", "/draft/records/1/files/?multipart=true", json=fields)
        assert answer.status_code == 201
        return answer.json()["uploadId"]

    return run


def without_token(demo, method, path, **options):
    return requests.request(method, f"{demo.url}/draft/records/1/files/{path}", timeout=30, **options)


@pytest.mark.parametrize("size", [1, PART, 11 * MIB + 3])
def test_upload_and_check(demo, client, make_file, size):
    path = make_file(f"client-{size}.bin", size)
    shown = client("upload", "--file", path, "--parallel", 2)
    assert "Upload completed." in shown
    assert "Local and remote files have the same checksum." in shown
    assert "Local and remote files have the same checksum." in client("check", "--file", path)
    redirect = demo.ask("GET", f"/draft/records/1/files/{path.name}")
    assert requests.get(redirect.headers["Location"], timeout=30).content == path.read_bytes()


def test_check_finds_a_difference(client, make_file):
    path = make_file("changed.bin", 6 * MIB)
    client("upload", "--file", path)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "Local and remote files differ." in client("check", "--file", path, code=6)


def test_resume_sends_only_what_is_missing(demo, client, make_file, open_upload):
    path = make_file("resumed-by-client.bin", 11 * MIB)
    upload_id = open_upload(path.name, 11 * MIB)
    urls = without_token(demo, "GET", f"{path.name}/{upload_id}/1,3/presigned").json()["presignedUrls"]
    assert set(urls) == {"1", "3"}
    assert requests.put(urls["1"], data=path.read_bytes()[:PART], timeout=30).status_code == 200
    shown = client("resume", "--file", path, "--uploadId", upload_id)
    assert "1 part(s) already uploaded." in shown
    assert "Local and remote files have the same checksum." in shown


def test_abort_ends_the_upload(demo, client, open_upload):
    upload_id = open_upload("given-up.bin", 11 * MIB)
    assert "Upload aborted." in client("abort", "--key", "given-up.bin", "--uploadId", upload_id)
    assert "given-up.bin" not in demo.ask("GET", "/overview").text
    assert without_token(demo, "GET", f"given-up.bin/{upload_id}/1/presigned").status_code == 410
    assert demo.ask("GET", "/draft/records/1/files/given-up.bin").status_code == 404


def test_upload_id_of_another_file_opens_nothing(demo, open_upload):
    upload_id = open_upload("mine.bin", 11 * MIB)
    assert without_token(demo, "GET", f"other.bin/{upload_id}/1/presigned").status_code == 404
    assert without_token(demo, "GET", f"mine.bin/{'0' * 64}/1/presigned").status_code in (401, 404)
    assert without_token(demo, "DELETE", f"mine.bin/{upload_id}/abort").status_code == 200


def test_wrong_token_is_refused(client, make_file):
    path = make_file("refused.bin", 1)
    client("upload", "--file", path, token="wrong", code=8)


def test_revoke_is_answered(client):
    assert "Token revoked." in client("revoke")
