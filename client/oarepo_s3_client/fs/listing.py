# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A record's files as a tree: folders are what the slashes in keys imply."""

from collections.abc import Iterable
from typing import Any

from oarepo_s3_client.api import FileInfo

Info = dict[str, Any]
"""What fsspec tells of a path: ``name``, ``size`` in bytes, ``type``, and for files ``checksum`` and ``mimetype``."""


class Listing:
    """All readable files of a record at one time.

    A key with an empty segment, or one that is ``.`` or ``..``, is left out: it is no path, and would lead out of the
    folder that files are fetched to.

    Args:
        files: as the repository lists them; pending ones are not there yet.
    """

    def __init__(self, files: Iterable[FileInfo]):
        self._files: dict[str, Info] = {}
        self._folders: dict[str, list[Info]] = {"": []}
        for file in files:
            if file.status == "completed" and _is_path(file.key):
                self._files[file.key] = _file(file)
                self._add(self._files[file.key])

    def _add(self, info: Info) -> None:
        """Put it into its folder, and each folder that is new into its own."""
        parent = info["name"].rpartition("/")[0]
        while parent not in self._folders:
            self._folders[parent] = [info]
            info = _folder(parent)
            parent = parent.rpartition("/")[0]
        self._folders[parent].append(info)

    def info(self, path: str) -> Info | None:
        """The file, or else the folder, at a path; None if there is neither."""
        if path in self._files:
            return dict(self._files[path])
        return _folder(path) if path in self._folders else None

    def children(self, path: str) -> list[Info] | None:
        """What is in a folder, or the file alone, by name; None if there is neither."""
        found = self._folders.get(path)
        if found is None:
            return [dict(self._files[path])] if path in self._files else None
        return [dict(info) for info in sorted(found, key=_name)]

    def below(self, path: str, depth: int | None, *, folders: bool) -> dict[str, Info]:
        """Files, and folders if wanted, in a folder and in those below it, by name.

        Args:
            path: of the folder.
            depth: levels, 1 for the folder alone; None for all.
            folders: whether they are wanted as well.
        """
        found: list[Info] = []
        level = [path]
        while level and depth != 0:
            inside = [info for name in level for info in self._folders.get(name, ())]
            level = [info["name"] for info in inside if info["type"] == "directory"]
            found += [info for info in inside if folders or info["type"] == "file"]
            depth = None if depth is None else depth - 1
        # Of a file and a folder with the same name the file is kept: it sorts last.
        return {info["name"]: dict(info) for info in sorted(found, key=lambda info: (info["name"], info["type"]))}


def _is_path(key: str) -> bool:
    return not any(segment in ("", ".", "..") for segment in key.split("/"))


def _name(info: Info) -> str:
    return str(info["name"])


def _file(file: FileInfo) -> Info:
    return {
        "name": file.key,
        "size": file.size,
        "type": "file",
        "checksum": file.checksum,
        "mimetype": file.mimetype,
    }


def _folder(path: str) -> Info:
    return {"name": path, "size": 0, "type": "directory"}
