# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Small files over REST with real stores: the bytes go to the store, and come back."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.integration.records_app import Clock, RecordsWorld, records_world
from tests.servers.s3 import S3Server
from tests.store.stores import put

FILES = "/draft/records/1/files/"
CONTENTS = {"a.txt": b"Hello", "empty": b"", "d/e.bin": bytes(range(256)) * 64}


@pytest.fixture(params=["ceph", "rclone", "swift"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordsWorld]:
    server: S3Server = request.getfixturevalue(request.param)
    settings = {
        "S3_CLIENT": "oarepo_s3.store.client.S3Client",
        "S3_ENDPOINT_URL": server.endpoint,
        "S3_REGION_NAME": server.region,
        "S3_ACCESS_KEY_ID": server.access_key,
        "S3_SECRET_ACCESS_KEY": server.secret_key,
    }
    url = f"sqlite:///{tmp_path / 'test.db'}"
    with records_world(url, Clock(), s3_bucket=server.create_bucket(), **settings) as world:
        world.add_record()
        yield world


def test_whole_life_of_a_list(world: RecordsWorld):
    entries = [
        {"key": key, "size": len(data), "content_md5": base64.b64encode(hashlib.md5(data).digest()).decode()}
        for key, data in CONTENTS.items()
    ]
    owner = world.client()
    opened = owner("POST", f"{FILES}?multipart=True", json=[*entries, {**entries[0], "key": "left"}]).json
    assert [one["status"] for one in opened] == [201] * 4
    for one, data in zip(opened, CONTENTS.values(), strict=False):
        signed = one["multipart_upload"]["put"]
        assert put(signed["url"], data, signed["headers"]).status == 200
    completed = owner("POST", f"{FILES}?complete=True", json=[{"key": one["key"]} for one in opened]).json
    assert [one["status"] for one in completed] == [200, 200, 200, 409]
    for key, data in CONTENTS.items():
        location = owner("GET", f"{FILES}{key}").headers["Location"]
        with urlopen(location) as answer:
            assert answer.read() == data


def test_aborted_file_is_gone_from_the_store(world: RecordsWorld):
    data = CONTENTS["a.txt"]
    md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
    signed = world.client().open(size=len(data), part_size=None, content_md5=md5).json["multipart_upload"]["put"]
    assert put(signed["url"], data, signed["headers"]).status == 200
    upload = world.upload()
    store = world.service.context.store
    assert store.head_object(upload.s3_bucket, upload.s3_key) is not None
    assert world.client().act("abort").status_code == 200
    assert store.head_object(upload.s3_bucket, upload.s3_key) is None
