# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What requests of the record's files may say."""

from typing import Any

import pytest

from oarepo_s3.errors import BadRequest, InvalidChecksum, InvalidKey, InvalidPartList, InvalidPartNumber
from oarepo_s3.records_files.entries import drop_entry, entry_of, find_entry, metadata_of, put_entry
from oarepo_s3.records_files.schemas import (
    ACTIONS,
    RESERVED,
    QuerySchema,
    check_not_reserved,
    new_file,
    new_upload,
)
from oarepo_s3.rest.fields import MAX_WHOLE_NUMBER, load
from oarepo_s3.rest.part_lists import MAX_ETAG, claimed_parts, wanted_urls

UPLOAD: dict[str, Any] = {"key": "data.zip", "size": 7}


def fields_of(error: BadRequest) -> list[str]:
    return [problem["field"] for problem in error.details["errors"]]


def test_defaults_of_an_upload():
    wanted = new_upload(UPLOAD)
    assert (wanted.key, wanted.size, wanted.part_size) == ("data.zip", 7, None)
    assert wanted.content_type == "application/octet-stream"
    assert (wanted.fingerprint, wanted.checksum, wanted.parts, wanted.metadata) == (None, None, None, {})


def test_null_is_as_if_left_out():
    names = ("part_size", "multipart_content_type", "fingerprint", "checksum", "parts")
    assert new_upload(UPLOAD | dict.fromkeys(names)) == new_upload(UPLOAD)


@pytest.mark.parametrize("value", [7, "7", "+7", MAX_WHOLE_NUMBER, str(MAX_WHOLE_NUMBER), 0, -1])
def test_whole_numbers_are_taken_as_numbers_and_digits(value: Any):
    assert new_upload(UPLOAD | {"size": value}).size == int(value)


@pytest.mark.parametrize(
    "value", [True, False, 1.0, "1.0", "x", "", " 7", "7 ", "1e3", "٧", "9" * 31, MAX_WHOLE_NUMBER + 1, [], {}, None]
)
def test_anything_else_is_no_whole_number(value: Any):
    with pytest.raises(BadRequest) as raised:
        new_upload(UPLOAD | {"size": value})
    assert fields_of(raised.value) == ["size"]


def test_all_wrong_fields_are_named():
    with pytest.raises(BadRequest) as raised:
        new_upload({"size": "x", "part_size": [], "fingerprint": 1})
    assert set(fields_of(raised.value)) == {"key", "size", "part_size", "fingerprint"}
    assert all(name in raised.value.message for name in fields_of(raised.value))


@pytest.mark.parametrize("value", ["a/b", "text/plain; charset=utf-8", "text/plain;charset=utf-8", "a/" + "b" * 127])
def test_media_types(value: str):
    assert new_upload(UPLOAD | {"multipart_content_type": value}).content_type == value


@pytest.mark.parametrize(
    "value", ["", "a", "a/", "/b", "a b/c", "a/b\n", "a/b; x\ny", "a/" + "b" * 128, "á/b", f"a/b; {'x' * 251}"]
)
def test_texts_that_are_no_media_type(value: str):
    with pytest.raises(BadRequest) as raised:
        new_upload(UPLOAD | {"multipart_content_type": value})
    assert fields_of(raised.value) == ["multipart_content_type"]


@pytest.mark.parametrize(
    "value", [f"multipart:{'0a' * 16}-1-5242880", f"multipart:{'f' * 32}-10000-1", f"etag:{'0' * 32}-3", "etag:x"]
)
def test_checksums(value: str):
    assert new_upload(UPLOAD | {"checksum": value}).checksum == value


@pytest.mark.parametrize(
    "value",
    ["", "md5:" + "0" * 32, "multipart:", f"multipart:{'0' * 32}-3", f"multipart:{'0' * 31}-3-5",
     f"multipart:{'A' * 32}-3-5",
     f"multipart:{'0' * 32}-0-5", f"multipart:{'0' * 32}-3-0", "etag:", 'etag:"x"', "etag:a:b", "etag:a\n"],
)  # fmt: skip
def test_checksums_that_have_no_known_form(value: str):
    with pytest.raises(InvalidChecksum):
        new_upload(UPLOAD | {"checksum": value})


def test_other_fields_are_metadata_but_for_reserved_names():
    given = {"name": "Data", "nested": {"a": [1, None, "ž"]}}
    wanted = new_upload(UPLOAD | given | dict.fromkeys(RESERVED - {"key", "size", "part_size"}))
    assert wanted.metadata == given
    assert new_file({"key": "a", "size": "x", "note": "n"}).metadata == {"note": "n"}


@pytest.mark.parametrize("value", ["\0", "\ud800", ["\0"], {"a": {"\udfff": 1}}, [[{"a": ["b\0"]}]]])
def test_metadata_that_no_database_takes_is_named(value: Any):
    with pytest.raises(BadRequest) as raised:
        new_upload(UPLOAD | {"note": value})
    assert fields_of(raised.value) == ["note"]


@pytest.mark.parametrize("action", ACTIONS)
def test_names_of_actions_are_no_names_of_files(action: str):
    for key in (action, f"a/{action}", f"a//{action}"):
        with pytest.raises(InvalidKey):
            check_not_reserved(key)
    check_not_reserved(f"{action}.zip")
    check_not_reserved(f"{action}/a")


@pytest.mark.parametrize(
    "key", ["parts", "a/parts", f"{'u' * 42}/parts", f"{'u' * 44}/parts", f"{'u' * 43}/part", "a/1/presigned"]
)
def test_names_like_those_of_old_paths_are_names_of_files(key: str):
    check_not_reserved(key)


@pytest.mark.parametrize(
    ("query", "multipart"),
    [({}, False), ({"multipart": "True"}, True), ({"multipart": "1"}, True), ({"multipart": "false"}, False)],
)
def test_multipart_of_the_address(query: dict[str, str], multipart: bool):
    assert load(QuerySchema(), query | {"unknown": "x"})["multipart"] is multipart


# lists of parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [{}, {"parts": None}, {"parts": []}, {"other": 1}])
def test_list_that_says_nothing(document: dict[str, Any]):
    assert claimed_parts(document, 10) is None


def test_list_in_any_order_with_any_names():
    parts = [
        {"PartNumber": 3, "ETag": '"c"'},
        {"PartNum": "1", "etag": "a", "Size": 5},
        {"part_number": 2, "ETag": ' "b" '},
        {"part": 4, "PartNumber": None, "ETag": None, "etag": "d"},
        {"part": 1, "etag": '"a"'},
    ]
    assert claimed_parts({"parts": parts}, 5) == {1: "a", 2: "b", 3: "c", 4: "d"}


def test_list_longer_than_an_upload_can_be():
    with pytest.raises(InvalidPartList):
        claimed_parts({"parts": [{"part": 1, "etag": "a"}] * 3}, 2)


def test_part_twice_with_different_etags():
    with pytest.raises(InvalidPartList) as raised:
        claimed_parts({"parts": [{"part": 2, "etag": "a"}, {"part": 2, "etag": "b"}]}, 5)
    assert raised.value.details == {"part": 2}


@pytest.mark.parametrize("number", [0, -1, "0"])
def test_part_before_the_first(number: Any):
    with pytest.raises(InvalidPartNumber):
        claimed_parts({"parts": [{"part": number, "etag": "a"}]}, 5)


@pytest.mark.parametrize(
    "part", [None, 1, "1", [], {}, {"part": True, "etag": 1}, {"part": 1.5, "etag": "e" * (MAX_ETAG + 1)}]
)
def test_every_wrong_part_is_named(part: Any):
    with pytest.raises(BadRequest) as raised:
        claimed_parts({"parts": [{"part": 1, "etag": "a"}, part]}, 5)
    assert fields_of(raised.value) == ["parts.1.PartNumber", "parts.1.ETag"]


@pytest.mark.parametrize(
    ("parts", "numbers"),
    [("1-3,5", [1, 2, 3, 5]), ("all", [1, 2, 3, 4, 5]), ("none", []), ([5, 1, 5], [1, 5]), ([], [])],
)
def test_urls_that_are_wanted(parts: Any, numbers: list[int]):
    assert wanted_urls({"parts": parts}, 5, 5) == (numbers, {})


def test_md5_of_parts():
    assert wanted_urls({"parts": [1], "content_md5": {"1": "1B2M2Y8AsgTpgAmY7PhCfg=="}}, 5, 5)[1] == {
        1: "1B2M2Y8AsgTpgAmY7PhCfg=="
    }
    for wrong in ("", "x", "1B2M2Y8AsgTpgAmY7PhCfg", "AAAA", "1B2M2Y8AsgTpgAmY7PhCf ==", "ž"):
        with pytest.raises(BadRequest) as raised:
            wanted_urls({"parts": [1], "content_md5": {"1": wrong}}, 5, 5)
        assert fields_of(raised.value) == ["content_md5.1"]


# entries --------------------------------------------------------------------------------------------------------------


def test_entries_are_replaced_where_they_stand_and_dropped_alone():
    record: dict[str, Any] = {}
    for key in ("a", "b", "c"):
        put_entry(record, {"key": key, "note": "old"})
    put_entry(record, {"key": "b", "note": "new"})
    assert record["_files"] == [{"key": "a", "note": "old"}, {"key": "b", "note": "new"}, {"key": "c", "note": "old"}]
    assert find_entry(record, "b") == {"key": "b", "note": "new"}
    drop_entry(record, "a")
    drop_entry(record, "a")
    assert [entry["key"] for entry in record["_files"]] == ["b", "c"]
    drop_entry(record, "b", drop_empty_list=True)
    assert [entry["key"] for entry in record["_files"]] == ["c"]
    drop_entry(record, "c")
    assert record == {"_files": []}
    drop_entry(record, "c", drop_empty_list=True)
    assert record == {}
    assert find_entry(record, "c") is None


def test_metadata_never_hides_a_fact():
    from uuid import UUID

    bucket_id, version_id, file_id = (UUID(int=number) for number in range(3))
    entry = entry_of(
        bucket_id=bucket_id, key="a", version_id=version_id, file_id=file_id, size=1, checksum=None,
        metadata={"size": 5, "checksum": "x", "note": "n"},
    )  # fmt: skip
    assert (entry["size"], entry["checksum"], entry["note"]) == (1, None, "n")
    assert metadata_of(entry) == {"note": "n"}
    assert metadata_of(None) == {}
