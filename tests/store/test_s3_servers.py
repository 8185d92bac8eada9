# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The S3 servers of the tests answer signed requests and leave nothing behind."""

import pytest
from botocore.exceptions import ClientError

from tests.servers import ceph, moto, rclone, swift
from tests.servers.availability import available
from tests.servers.folder import run_folder
from tests.servers.process import is_alive

CONTENT = b"content"


@pytest.mark.parametrize("module", [ceph, moto, rclone, swift], ids=lambda module: module.__name__.rpartition(".")[2])
def test_put_get_and_stop(module):
    folders_before = set(run_folder().glob("*-*"))
    with available(module.start()) as server:
        bucket = server.create_bucket()
        server.client().put_object(Bucket=bucket, Key="a/b c/ž.txt", Body=CONTENT)
        assert server.client().get_object(Bucket=bucket, Key="a/b c/ž.txt")["Body"].read() == CONTENT
        assert all(is_alive(pid) for pid in server.pids)
    assert not any(is_alive(pid) for pid in server.pids)
    assert not run_folder().exists() or set(run_folder().glob("*-*")) <= folders_before


@pytest.mark.parametrize("name", ["ceph", "rclone", "swift"])
def test_wrong_secret_is_refused(name, request):
    server = request.getfixturevalue(name)
    stranger = server.client(aws_secret_access_key="wrong")
    with pytest.raises(ClientError) as refusal:
        stranger.create_bucket(Bucket="stranger")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_secrets_are_not_in_the_repr(ceph):
    assert ceph.secret_key not in repr(ceph)
    assert ceph.tenant_secret_key not in repr(ceph)


def test_ceph_keeps_tenants_apart(ceph):
    bucket = ceph.create_bucket()
    tenant = ceph.client(aws_access_key_id=ceph.tenant_access_key, aws_secret_access_key=ceph.tenant_secret_key)
    tenant.create_bucket(Bucket=bucket)
    tenant.put_object(Bucket=bucket, Key="key", Body=CONTENT)
    assert "Contents" not in ceph.client().list_objects_v2(Bucket=bucket)
    assert ceph.admin("bucket", "stats", "--bucket", f"{ceph.tenant}/{bucket}")["tenant"] == ceph.tenant


@pytest.mark.parametrize(("name", "taken"), [("ceph", False), ("ceph_small_parts", True)])
def test_ceph_minimum_part_size(name, taken, request):
    server = request.getfixturevalue(name)
    client, where = server.client(), {"Bucket": server.create_bucket(), "Key": "key"}
    upload = where | {"UploadId": client.create_multipart_upload(**where)["UploadId"]}
    etags = [client.upload_part(**upload, PartNumber=number, Body=CONTENT)["ETag"] for number in (1, 2)]
    parts = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)]}
    if taken:
        client.complete_multipart_upload(**upload, MultipartUpload=parts)
        assert client.get_object(**where)["Body"].read() == CONTENT * 2
    else:
        with pytest.raises(ClientError, match="EntityTooSmall"):
            client.complete_multipart_upload(**upload, MultipartUpload=parts)
