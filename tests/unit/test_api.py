# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The value object that opens an upload."""

import pytest

import oarepo_s3
from oarepo_s3.api import MultipartUpload
from oarepo_s3.errors import InvalidExpiry, InvalidSize


@pytest.mark.parametrize("size", [0, -1, 1.0, "1", None, True])
def test_size_has_to_be_a_positive_whole_number(size: object) -> None:
    with pytest.raises(InvalidSize) as refused:
        MultipartUpload("a", size=size)  # type: ignore[arg-type]
    assert refused.value.details == {"size": size}


@pytest.mark.parametrize("expires", [0, -1, 1.5, "1", True, 10**12])
def test_life_has_to_be_a_positive_whole_number(expires: object) -> None:
    with pytest.raises(InvalidExpiry) as refused:
        MultipartUpload("a", size=1, expires=expires)  # type: ignore[arg-type]
    assert refused.value.details == {"expires": expires}


def test_it_passes_for_a_stream_with_a_length() -> None:
    mu = MultipartUpload("a", size=5 * 2**40, expires=1)
    assert mu
    assert len(mu) == 5 * 2**40
    assert mu.session == {}


def test_session_is_neither_an_argument_nor_shown() -> None:
    with pytest.raises(TypeError):
        MultipartUpload("a", size=1, session={})  # type: ignore[call-arg]
    mu = MultipartUpload("a", size=1)
    mu.session = {"parts_url": ["https://secret"]}
    assert "secret" not in repr(mu)
    assert mu.session is not MultipartUpload("a", size=1).session


def test_public_names_are_there_and_no_others() -> None:
    assert oarepo_s3.MultipartUpload is MultipartUpload
    assert oarepo_s3.OARepoS3.__name__ == "OARepoS3"
    assert oarepo_s3.S3Client.__name__ == "S3Client"
    assert all(hasattr(oarepo_s3, name) for name in oarepo_s3.__all__)
    with pytest.raises(AttributeError, match="'oarepo_s3' has no attribute 'nope'"):
        _ = oarepo_s3.nope
