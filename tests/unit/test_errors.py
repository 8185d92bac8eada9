# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The error tree is part of the REST contract: codes stay, statuses fit."""

import pytest

from oarepo_s3 import errors
from oarepo_s3.errors import OARepoS3Error, StoreError, StoreRefused, UploadBusy, all_codes

# Append only: clients branch on these.
CONTRACT = {
    "internal_error": 500,
    "invalid_configuration": 500,
    "bad_request": 400,
    "invalid_key": 400,
    "invalid_size": 400,
    "invalid_plan": 400,
    "invalid_part_number": 400,
    "invalid_part_list": 400,
    "invalid_expiry": 400,
    "invalid_checksum": 400,
    "not_an_s3_location": 400,
    "forbidden": 403,
    "bucket_locked": 403,
    "not_found": 404,
    "file_not_found": 404,
    "upload_not_found": 404,
    "conflict": 409,
    "upload_exists": 409,
    "upload_busy": 409,
    "upload_completed": 409,
    "parts_mismatch": 409,
    "illegal_transition": 409,
    "gone": 410,
    "upload_expired": 410,
    "upload_aborted": 410,
    "upload_lost": 410,
    "quota_exceeded": 413,
    "store_unavailable": 503,
    "store_refused": 503,
    "store_parts_refused": 503,
    "store_upload_gone": 503,
    "store_retry_later": 503,
    "store_unknown_outcome": 503,
}
OURS = [row for row in all_codes() if row[2].__module__ == "oarepo_s3.errors"]


def test_codes_and_statuses_are_as_promised() -> None:
    assert {code: status for code, status, _ in OURS} == CONTRACT


def test_each_class_has_a_code_of_its_own() -> None:
    assert len({code for code, _, _ in OURS}) == len(OURS)


def test_all_codes_lists_every_class_of_the_module() -> None:
    classes = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, OARepoS3Error)}
    assert {cls for _, _, cls in OURS} == classes
    assert OURS[0][2] is OARepoS3Error


def test_all_codes_of_a_branch() -> None:
    branch = all_codes(StoreRefused)
    assert [code for code, _, _ in branch] == ["store_refused", "store_parts_refused", "store_upload_gone"]


def test_status_is_that_of_the_branch() -> None:
    for _, status, cls in OURS:
        parent = cls.__mro__[1]
        if parent is not OARepoS3Error and issubclass(parent, OARepoS3Error):
            assert status == parent.status


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (OARepoS3Error("x"), None),
        (UploadBusy("x", retry_after=2), 2),
        (UploadBusy("x", retry_after=2.9), 2),
        (StoreError("x"), 5),
        (StoreRefused("x", retry_after=0), 0),
    ],
)
def test_retry_after(error: OARepoS3Error, seconds: int | None) -> None:
    assert error.retry_after == seconds


def test_details_are_kept_and_not_shown() -> None:
    error = StoreError("the store is away", secret="s3cr3t")
    assert error.details == {"retry_after": 5, "secret": "s3cr3t"}
    assert error.message == str(error) == "the store is away"
    assert "s3cr3t" not in repr(error)


def test_configuration_error_names_the_setting() -> None:
    error = errors.ConfigurationError("S3_X", "is wrong")
    assert str(error) == "S3_X: is wrong"
    assert error.details == {"setting": "S3_X"}
    assert isinstance(error, ValueError)
