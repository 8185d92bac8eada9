# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A record's files in real repositories, as data is read and written every day."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from oarepo_s3_client.fs import RecordFileSystem
from tests.client.repository import MIB, READER_TOKEN, TOKEN, Repository

Reader = Callable[..., RecordFileSystem]


def test_a_table_by_url(fs: RecordFileSystem) -> None:
    url = fs.unstrip_protocol("run 7/täble.csv.gz")
    assert url.startswith("oarepo-s3-http://127.0.0.1:")
    with fsspec.open(url, "wt", newline="", compression="infer", token=TOKEN) as file:
        csv.writer(file).writerows([["x", "y"], [1, 2]])
    with fsspec.open(url, "rt", newline="", compression="infer", token=TOKEN) as file:
        assert list(csv.DictReader(file)) == [{"x": "1", "y": "2"}]
    assert fs.glob("*/*.csv.gz") == ["run 7/täble.csv.gz"]


def test_big_files_in_parts(fs: RecordFileSystem, reader: Reader, repository: Repository) -> None:
    blocks = [os.urandom(MIB) for _ in range(11)]
    with fs.open("big.bin", "wb") as file:
        for block in blocks:
            file.write(block)
    assert repository.states("big.bin")[-1] == "completed"
    fresh = reader()
    assert fresh.size("big.bin") == 11 * MIB
    assert fresh.info("big.bin")["checksum"].startswith("multipart:")
    with fresh.open("big.bin", block_size=64 * 1024) as file:
        file.seek(5 * MIB - 3)
        assert file.read(6) == blocks[4][-3:] + blocks[5][:3]
    ends = [(number + 1) * MIB for number in range(11)]
    assert fresh.cat_ranges(["big.bin"] * 11, [end - 5 for end in ends], ends) == [block[-5:] for block in blocks]
    fresh.cp_file("big.bin", "copies/big.bin")
    assert fresh.ukey("big.bin") != fresh.ukey("copies/big.bin")
    assert fresh.info("big.bin")["checksum"] == fresh.info("copies/big.bin")["checksum"]


def test_a_folder_there_and_back(fs: RecordFileSystem, reader: Reader, tmp_path: Path) -> None:
    for name in ("a.csv", "deep/er/b.csv", "deep/c.csv"):
        (tmp_path / "there" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "there" / name).write_text(name)
    fs.put(f"{tmp_path}/there/", "run-7", recursive=True)
    fresh = reader()
    assert fresh.find("") == ["run-7/a.csv", "run-7/deep/c.csv", "run-7/deep/er/b.csv"]
    assert fresh.ls("run-7", detail=False) == ["run-7/a.csv", "run-7/deep"]
    assert [files for _, _, files in fresh.walk("run-7")] == [["a.csv"], ["c.csv"], ["b.csv"]]
    fresh.get("run-7/", f"{tmp_path}/back", recursive=True)
    assert (tmp_path / "back" / "deep" / "er" / "b.csv").read_text() == "deep/er/b.csv"
    fresh.mv("run-7/deep/", "run-8", recursive=True)
    assert fresh.find("", withdirs=True) == [
        "run-7",
        "run-7/a.csv",
        "run-8",
        "run-8/c.csv",
        "run-8/er",
        "run-8/er/b.csv",
    ]
    with pytest.raises(IsADirectoryError):
        fresh.rm("run-8")
    fresh.rm("run-8", recursive=True)
    fresh.rm_file("run-7/a.csv")
    assert reader().ls("") == []


def test_an_odd_name_is_a_name(fs: RecordFileSystem) -> None:
    fs.pipe({"a*": b"1", "ab": b"2", "100%.csv": b"3", "q?x#y": b"4"})
    assert fs.cat_file("a*") == b"1"
    fs.rm_file("a*")
    assert fs.find("") == ["100%.csv", "ab", "q?x#y"]
    assert (fs.cat_file("100%.csv"), fs.cat_file("q?x#y")) == (b"3", b"4")


def test_a_store_of_chunks(fs: RecordFileSystem) -> None:
    mapper = fs.get_mapper("array.zarr")
    mapper["zarr.json"] = b"{}"
    mapper["c/0/0"] = b"chunk"
    assert sorted(mapper) == ["c/0/0", "zarr.json"]
    assert (mapper["c/0/0"], mapper.get("c/0/1")) == (b"chunk", None)
    del mapper["c/0/0"]
    assert list(mapper) == ["zarr.json"]


def test_kept_copies_notice_a_change(fs: RecordFileSystem, record: str, tmp_path: Path) -> None:
    def read() -> Any:
        kept = fsspec.filesystem(
            "filecache", fs=fs, cache_storage=str(tmp_path / "kept"), check_files=True, skip_instance_cache=True
        )
        return kept.cat_file("k")

    fs.pipe_file("k", b"old")
    assert read() == b"old"
    RecordFileSystem(record, token=TOKEN, skip_instance_cache=True).pipe_file("k", b"new")
    assert read() == b"new"


def test_overwritten_and_touched(fs: RecordFileSystem, reader: Reader) -> None:
    fs.pipe_file("k", b"old")
    fs.pipe_file("k", b"newer")
    assert reader().cat("k") == b"newer"
    with pytest.raises(NotImplementedError):
        fs.touch("k", truncate=False)
    fs.touch("k")
    fs.mkdir("folder")
    fs.makedirs("folder/in/it")
    assert reader().ls("") == [fs.info("k")]
    assert (fs.size("k"), fs.cat("k")) == (0, b"")


def test_who_may_not(fs: RecordFileSystem, reader: Reader) -> None:
    fs.pipe_file("k", b"1")
    stranger = reader(token=READER_TOKEN)
    for call in (lambda: stranger.pipe_file("l", b""), lambda: stranger.pipe_file("l", b"1")):
        with pytest.raises(PermissionError):
            call()
    with pytest.raises(PermissionError):
        stranger.rm_file("k")
    assert fs.cat("k") == b"1"


def test_no_such_record(repository: Repository) -> None:
    fs = RecordFileSystem(f"{repository.url}/draft/records/999", token=TOKEN)
    assert not fs.exists("k")
    for call in (fs.find, fs.ls, fs.cat_file):
        with pytest.raises(FileNotFoundError):
            call("")
