# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A file of a record, open for reading or for writing."""

import errno
import sys
import warnings
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any

from fsspec.spec import AbstractBufferedFile

from oarepo_s3_client.fs.os_errors import os_error


class RecordFile(AbstractBufferedFile):
    """Read through fsspec's caches, or written to a temporary file that is uploaded when it is closed.

    What is closed because of an error is not uploaded. Where that is not certain, as when it is closed in an ``except``
    clause or through a wrapper, a warning says so.

    Args:
        fs: the filesystem.
        path: the key.
        mode: ``rb``, ``wb`` or ``xb``.
        block_size: bytes that are read or kept in memory at a time.
        autocommit: whether closing uploads it; a transaction does it later.
        kwargs: as fsspec has them, such as ``cache_type``.
    """

    _spool: IO[bytes] | None = None

    def __init__(
        self,
        fs: Any,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        **kwargs: Any,
    ):
        self._exclusive = mode == "xb"
        self._handled = sys.exception()
        # Not every fsspec knows xb.
        super().__init__(fs, path, "wb" if self._exclusive else mode, block_size, autocommit, **kwargs)

    def commit(self) -> None:
        """Upload what was written."""
        if not (self.closed or self.forced):
            self.flush(force=True)  # which comes here again, if it is not for a transaction
        spool, self._spool = self._spool, None
        if spool is not None:
            with spool:
                if self._exclusive and self.fs.exists(self.path):
                    raise os_error(errno.EEXIST, self.path)
                self.fs.store(spool, self.path)

    def discard(self) -> None:
        """Drop what was written, and close."""
        spool, self._spool = self._spool, None
        self.closed = True
        if spool is not None:
            spool.close()

    def close(self) -> None:
        """Upload what was written, unless it is an error that closes it."""
        error = sys.exception()
        if self._unwritten and error is not None and error is not self._handled:
            text = f"{self.path} was closed because of an error, and not written. To write it, call commit() before."
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            self.discard()
        self._close()

    @property
    def _unwritten(self) -> bool:
        """Whether closing would upload, or leave something for a transaction to upload."""
        return not self.closed and self.mode != "rb" and (self._spool is not None or not self.forced)

    def _close(self) -> None:
        self._handled = None
        super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._unwritten:
            self.discard()
        self._close()

    def __del__(self) -> None:
        if not self._unwritten:
            super().__del__()
        else:
            warnings.warn(f"{self.path} was never closed, and not written.", ResourceWarning, source=self, stacklevel=2)
            self.discard()

    # called by fsspec -------------------------------------------------------------------------------------------------

    def _initiate_upload(self) -> None:
        self._spool = TemporaryFile(prefix="oarepo-s3-")  # noqa: SIM115 - commit() or discard() closes it

    def _upload_chunk(self, final: bool = False) -> bool:
        assert self._spool is not None
        try:
            self._spool.write(self.buffer.getbuffer())
        except OSError:
            self.discard()
            raise
        if final and self.autocommit:
            self.commit()
        return True

    def _fetch_range(self, start: int, end: int) -> bytes:
        end = min(end, self.size)
        content: bytes = self.fs.cat_file(self.path, start, end, self.size) if start < end else b""
        return content
