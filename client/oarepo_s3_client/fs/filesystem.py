# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The filesystem."""

import errno
import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.compression import compr
from fsspec.core import get_compression
from fsspec.utils import isfilelike

from oarepo_s3_client.fs.browsing import BrowsedRecord
from oarepo_s3_client.fs.files import RecordFile
from oarepo_s3_client.fs.os_errors import os_error


class RecordFileSystem(BrowsedRecord):
    """The files of one record; see ``BrowsedRecord`` for the arguments.

    Paths are keys; folders are what slashes in keys imply, so that making one does nothing. The token is left out of
    ``storage_options``, and so of pickles and JSON: who unpickles needs it in the environment.
    """

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, autocommit: bool = True, **kwargs: Any
    ) -> RecordFile:
        if mode not in ("rb", "wb", "xb"):
            raise NotImplementedError(f"Mode {mode}: a record's file is read, or written as a whole.")
        if mode == "rb":
            kwargs.setdefault("size", self._file(path)["size"])
        elif self._writable(path) and mode == "xb" and self.exists(path):
            raise os_error(errno.EEXIST, path)
        return RecordFile(self, path, mode, block_size, autocommit, **kwargs)

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file; see fsspec."""
        if compression is None or mode not in ("wb", "xb"):
            return super().open(path, mode, block_size, cache_options, compression, **kwargs)
        kind = get_compression(self._strip_protocol(path), compression)
        file = super().open(path, mode, block_size, cache_options, **kwargs)
        return file if kind is None else _closing_both(compr[kind](file, mode="wb"), file)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, size: int | None = None, **kwargs: Any
    ) -> bytes:
        """Bytes of a file; ``start`` and ``end`` as in a slice. Who knows the file's size spares a request."""
        key = self._strip_protocol(path)
        if (start or 0) < 0 or (end or 0) < 0:
            start, end, _ = slice(start, end).indices(self._file(key)["size"])
        start = start or 0
        if end is not None and end <= start:
            return b""
        return self._access.read(key, start, None if end is None else end - start, size)

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Ranges of files, several at a time; an error takes the place of the bytes if ``on_error`` is ``return``."""
        if max_gap is not None:
            raise NotImplementedError("Ranges are not joined.")
        starts, ends = (given if isinstance(given, list) else [given] * len(paths) for given in (starts, ends))

        def read(path: str, start: int | None, end: int | None) -> bytes | Exception:
            try:
                return self.cat_file(path, start, end)
            except Exception as error:
                if on_error != "return":
                    raise
                return error

        return self._in_parallel(lambda given: read(*given), zip(paths, starts, ends, strict=True))

    def get_file(
        self, rpath: str, lpath: Any, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **kwargs: Any
    ) -> None:
        """Download a file, or go on with it; compared with the repository's checksum. A folder is made."""
        key = self._strip_protocol(rpath)
        if outfile is not None or isfilelike(lpath):
            self._pour(key, outfile or lpath, callback)
        elif self.isdir(key):
            os.makedirs(lpath, exist_ok=True)
        elif os.path.isdir(lpath):
            raise os_error(errno.EISDIR, os.fspath(lpath))
        else:
            os.makedirs(os.path.dirname(os.path.abspath(lpath)), exist_ok=True)
            self._access.download(key, os.fspath(lpath), callback)

    def _pour(self, key: str, stream: BinaryIO, callback: Any) -> None:
        with self.open(key) as file:
            callback.set_size(file.size)
            while block := file.read(self.blocksize):
                stream.write(block)
                callback.relative_update(len(block))

    # writing ----------------------------------------------------------------------------------------------------------

    def store(self, stream: BinaryIO, path: str, callback: Any = DEFAULT_CALLBACK) -> None:
        """Upload what a seekable stream has, from its beginning; after a failure nothing is left of it."""
        try:
            self._access.store(stream, self._writable(path), callback)
        finally:
            self.invalidate_cache(path)

    def _writable(self, path: str) -> str:
        key: str = self._strip_protocol(path)
        if not key:
            raise os_error(errno.EISDIR, path)
        return key

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        """Write bytes as a file; ``create`` refuses one that is there."""
        if self._intrans or mode == "create":
            with self.open(path, "xb" if mode == "create" else "wb", **kwargs) as file:
                file.write(value)
        else:
            self.store(io.BytesIO(value), path)

    def put_file(
        self, lpath: Any, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **kwargs: Any
    ) -> None:
        """Upload a file, or go on with it; ``create`` refuses one that is there. A folder needs nothing."""
        if os.path.isdir(lpath):
            return
        key = self._writable(rpath)
        if mode == "create" and self.exists(key):
            raise os_error(errno.EEXIST, key)
        if self._intrans:
            super().put_file(lpath, key, callback=callback, **kwargs)
            return
        try:
            self._access.upload(os.fspath(lpath), key, callback)
        finally:
            self.invalidate_cache(key)

    def cp_file(self, path1: str, path2: str, callback: Any = DEFAULT_CALLBACK, **kwargs: Any) -> None:
        """Copy a file by way of a temporary one here, compared both ways. A folder needs nothing."""
        key = self._strip_protocol(path1)
        if self.isdir(key) or key == self._strip_protocol(path2):
            return
        with TemporaryDirectory(prefix="oarepo-s3-") as folder:
            copy = self._access.fetch(key, Path(folder), callback)
            if self._intrans:
                super().put_file(copy, path2)
                return
            with copy.open("rb") as stream:
                self.store(stream, path2)

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        self._delete([self._file(path)["name"]])

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, several at a time; folders go with what is in them."""
        paths = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)
        self._delete([self._file(one)["name"] for one in paths if not (recursive and self.isdir(one))])

    def _delete(self, keys: list[str]) -> None:
        try:
            self._in_parallel(self._access.delete, keys)
        finally:
            self.invalidate_cache()

    def _in_parallel(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        with ThreadPoolExecutor(self._access.parallel, thread_name_prefix="oarepo-s3-fs") as pool:
            return list(pool.map(function, items))


def _closing_both(compressing: Any, file: RecordFile) -> Any:
    """What compresses into a file, made to close the file with itself: Python's own do not."""
    close = compressing.close

    def close_both() -> None:
        close()
        file.close()

    compressing.close = close_both
    return compressing
