# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Buckets of a tenant of Ceph RGW: ``tenant:bucket`` on the wire."""

import pytest

from oarepo_s3.errors import StoreRefused
from tests.servers.ceph import CephServer
from tests.store.stores import FACTS, STAMP, StoreCase, connect


def _tenant_case(ceph: CephServer, **options) -> StoreCase:
    keys = {"access_key": ceph.tenant_access_key, "secret_key": ceph.tenant_secret_key}
    user = ceph.client(aws_access_key_id=keys["access_key"], aws_secret_access_key=keys["secret_key"])
    # The same name as a bucket without a tenant, so that nothing works by chance.
    bucket = ceph.create_bucket()
    user.create_bucket(Bucket=bucket)
    return StoreCase(FACTS["ceph"], connect(ceph, **keys, **options), bucket, ceph)


def test_an_upload_into_a_bucket_of_a_tenant(ceph: CephServer):
    case = _tenant_case(ceph, tenant=ceph.tenant)
    assert case.store.wire_bucket(case.s3_bucket) == f"{ceph.tenant}:{case.s3_bucket}"
    upload_id = case.upload("a b/ž", b"content")
    assert [upload.upload_id for upload in case.store.list_uploads(case.s3_bucket)] == [upload_id]
    case.complete("a b/ž", upload_id)
    assert case.store.head_object(case.s3_bucket, "a b/ž").stamp == STAMP
    assert connect(ceph).head_object(case.s3_bucket, "a b/ž") is None
    case.store.delete_object(case.s3_bucket, "a b/ž")
    assert case.store.head_object(case.s3_bucket, "a b/ž") is None


def test_abort_in_a_bucket_of_a_tenant(ceph: CephServer):
    case = _tenant_case(ceph, tenant=ceph.tenant)
    upload_id = case.upload("key", b"content")
    case.store.abort_upload(case.s3_bucket, "key", upload_id)
    assert list(case.store.list_uploads(case.s3_bucket)) == []


def test_the_tenant_decides_which_bucket_is_meant(ceph: CephServer):
    case = _tenant_case(ceph, tenant=ceph.tenant)
    upload_id = case.upload("key", b"content")
    # The bucket of the same name that belongs to no tenant has no uploads, and its owner has no rights in the other.
    assert list(connect(ceph).list_uploads(case.s3_bucket)) == []
    with pytest.raises(StoreRefused, match="AccessDenied"):
        connect(ceph, tenant=ceph.tenant).list_parts(case.s3_bucket, "key", upload_id)
