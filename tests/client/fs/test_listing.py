# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Folders are what slashes imply."""

from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from oarepo_s3_client import FileInfo
from oarepo_s3_client.fs.listing import Listing

KEYS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), unique=True)


def listing(*keys: str) -> Listing:
    return Listing([FileInfo(key, 1, "md5:x", "completed", "text/csv") for key in keys])


def names(found: Any) -> list[str]:
    return [info["name"] for info in found]


def test_files_and_folders() -> None:
    tree = listing("a/b/c", "a/d", "e")
    assert names(tree.children("") or ()) == ["a", "e"]
    assert names(tree.children("a") or ()) == ["a/b", "a/d"]
    assert names(tree.children("a/d") or ()) == ["a/d"]
    assert tree.children("b") is None
    assert tree.info("e") == {"name": "e", "size": 1, "type": "file", "checksum": "md5:x", "mimetype": "text/csv"}
    assert tree.info("a/b") == {"name": "a/b", "size": 0, "type": "directory"}
    assert tree.info("") == {"name": "", "size": 0, "type": "directory"}
    assert tree.info("a/c") is None
    assert list(tree.below("", None, folders=True)) == ["a", "a/b", "a/b/c", "a/d", "e"]
    assert list(tree.below("", 2, folders=False)) == ["a/d", "e"]


def test_what_is_told_is_the_asker_s() -> None:
    tree = listing("a/b")
    for told in (tree.info("a/b"), (tree.children("a") or [])[0], tree.below("", None, folders=False)["a/b"]):
        assert told is not None
        told["size"] = 9
    assert (tree.info("a/b") or {})["size"] == 1


def test_a_file_and_a_folder_of_one_name() -> None:
    tree = listing("a", "a/b")
    assert (tree.info("a") or {})["type"] == "file"
    assert [info["type"] for info in tree.children("") or ()] == ["file", "directory"]
    assert names(tree.children("a") or ()) == ["a/b"]
    assert tree.below("", None, folders=True)["a"]["type"] == "file"


@pytest.mark.parametrize("key", ["a/", "/a", "a//b", "../a", "a/../../b", ".", "a/./b"])
def test_what_is_no_path_is_left_out(key: str) -> None:
    assert listing(key).children("") == []


def test_what_is_pending_is_not_there_yet() -> None:
    assert Listing([FileInfo("a", 1, None, "pending")]).children("") == []


@given(KEYS)
def test_each_folder_holds_what_is_below_it(keys: list[str]) -> None:
    tree = listing(*keys)
    seen, waiting = [], [""]
    while waiting:
        for info in tree.children(waiting.pop()) or ():
            (seen if info["type"] == "file" else waiting).append(info["name"])
    assert sorted(seen) == sorted(keys) == list(tree.below("", None, folders=False))


@given(KEYS, st.sampled_from(["", "a", "a/b"]), st.none() | st.integers(1, 3), st.booleans())
def test_below_is_what_fsspec_finds(keys: list[str], path: str, depth: int | None, folders: bool) -> None:
    keys = [key for key in keys if not any(other.startswith(f"{key}/") for other in keys)]  # as in a file system
    memory = MemoryFileSystem(skip_instance_cache=True)
    memory.store, memory.pseudo_dirs = {}, [""]
    for key in keys:
        memory.pipe_file(f"/{key}", b"")
    found = [name.strip("/") for name in memory.find(f"/{path}", maxdepth=depth, withdirs=folders)]
    expected = sorted(name for name in found if name not in ("", path))
    assert list(listing(*keys).below(path, depth, folders=folders)) == expected
