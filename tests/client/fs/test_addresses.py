# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""URLs of the filesystem: there and back, and what is refused."""

from pathlib import PurePosixPath
from typing import Any

import fsspec
import pytest
from fsspec.core import url_to_fs
from hypothesis import given
from hypothesis import strategies as st

from oarepo_s3_client.fs import RecordFileSystem
from oarepo_s3_client.fs.addresses import join, split, strip
from tests.client.fs.conftest import open_record

RECORD = "https://host/api/records/abcd/draft"
FS = RecordFileSystem

SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8) | st.just("files")
KEYS = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
NAMES = st.text("abcxyz0-9", min_size=1, max_size=8).filter(lambda name: name != "files")
RECORDS = st.builds(
    lambda scheme, host, port, path: "/".join([f"{scheme}://{host}{port}", *path]),
    st.sampled_from(["http", "https"]),
    st.sampled_from(["host", "repo.example.org", "127.0.0.1", "[::1]"]),
    st.sampled_from(["", ":5000"]),
    st.lists(NAMES, min_size=1, max_size=4),
)


@given(RECORDS, KEYS)
def test_a_url_names_record_and_key(record: str, key: str) -> None:
    url = join(record, key)
    assert split(url) == (record, key)
    assert FS._get_kwargs_from_urls(url) == {"record": record}
    assert FS._strip_protocol(url) == key


@given(RECORDS, KEYS)
def test_a_filesystem_knows_its_own_urls(record: str, key: str) -> None:
    fs = FS(record, allow_http=True, skip_instance_cache=True)
    url = fs.unstrip_protocol(key)
    assert fs._strip_protocol(url) == key
    assert fs.unstrip_protocol(url) == url
    assert FS._get_kwargs_from_urls(url) == {"record": fs.record}


@given(KEYS)
def test_a_key_is_itself(key: str) -> None:
    assert FS._strip_protocol(key) == key
    assert FS._strip_protocol(f"/{key}/") == key
    assert FS._strip_protocol(f"oarepo-s3:///{key}") == key
    assert FS._get_kwargs_from_urls(f"oarepo-s3:///{key}") == {}


@pytest.mark.parametrize(
    ("path", "record", "key"),
    [
        ("oarepo-s3://host/api/records/abcd/draft/files/a/b.csv", RECORD, "a/b.csv"),
        ("oarepo-s3://host/api/records/abcd/draft/files/files/a", RECORD, "files/a"),
        ("oarepo-s3://host/api/records/abcd/draft/files/", RECORD, ""),
        ("oarepo-s3://host/api/records/abcd/draft/files", RECORD, ""),
        ("oarepo-s3-http://127.0.0.1:5000/records/1/files/a%20b?#", "http://127.0.0.1:5000/records/1", "a%20b?#"),
        ("oarepo-s3://data/table.csv", None, "data/table.csv"),
        ("oarepo-s3:///a/files/b", None, "a/files/b"),
        ("oarepo-s3://", None, ""),
        ("", None, ""),
        (PurePosixPath("a/b"), None, "a/b"),
    ],
)
def test_what_is_named(path: Any, record: str | None, key: str) -> None:
    assert split(path) == (record, key)
    assert strip([path, "x"]) == [key, "x"]


def test_the_url_of_the_whole() -> None:
    assert open_record(RECORD).unstrip_protocol("") == "oarepo-s3://host/api/records/abcd/draft/files"


def test_another_record_is_refused() -> None:
    fs = open_record(RECORD)
    assert fs._strip_protocol(f"oarepo-s3{RECORD[5:]}/files/k") == "k"
    for url in ("oarepo-s3://other/records/1/files/k", f"oarepo-s3-http{RECORD[5:]}/files/k"):
        with pytest.raises(ValueError, match="is no file of https://host/api/records/abcd/draft"):
            fs.cat_file(url)


def test_found_by_url() -> None:
    fs, path = url_to_fs("oarepo-s3://host/api/records/abcd/draft/files/a/b", token="t")
    assert (fs.record, path) == (RECORD, "a/b")
    assert fs is fsspec.filesystem("oarepo-s3", record=RECORD, token="t")
    assert url_to_fs("oarepo-s3://a/b", record=RECORD, token="t") == (fs, "a/b")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (None, "No record is named"),
        ("ftp://host/records/1", "The target is no web address"),
        ("https://host/records/1?x", "The target has a"),
        ("https://user:secret@host/records/1", "No name or password"),
        ("https://host/files/records/1", "a segment `files`"),
        ("http://host/records/1", "allow_http=True"),
    ],
)
def test_records_that_cannot_be_used(record: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        FS(record)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("record", ["http://localhost/r", "http://127.0.0.1:5/r", "http://[::1]/r", "https://host/r"])
def test_nothing_travels_unencrypted_unasked(record: str) -> None:
    assert FS(record).record == record
    assert FS(f"{record}/files/").record == record
    assert FS("http://host/r", allow_http=True).record == "http://host/r"
