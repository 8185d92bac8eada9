# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Small files of many: read once for their MD5, and kept if that is little, so that no file waits open for its turn."""

from contextlib import closing
from pathlib import Path

from oarepo_s3_client.errors import FileChanged
from oarepo_s3_client.integrity import md5_of_part, new_md5
from oarepo_s3_client.plan import Part
from oarepo_s3_client.sources import FileSource, Identity, blocks, identity_of

KEPT_FILE = 2**20
"""Bytes of a file that is kept until it is sent; a bigger one is read again."""


class SmallFile:
    """A source that holds no open file while it waits.

    Args:
        path: of the file.
        identity: of the file as it was when it was looked at.
        md5: in hexadecimal, None if it was not read.
        content: None if it was not kept.
    """

    rereadable = True

    def __init__(self, path: Path, identity: Identity, md5: str | None = None, content: bytes | None = None):
        self.path: Path | None = path
        self.identity: Identity | None = identity
        self.size = identity.size
        self.md5 = md5
        self._content = content
        self._file: FileSource | None = None

    @property
    def kept_bytes(self) -> int:
        """What it takes in memory."""
        return len(self._content or b"")

    def prepare(self, part: Part) -> None:
        """Open the file unless its content is here.

        Raises:
            FileChanged: it is another one now.
        """
        if self._content is None and self._file is None:
            assert self.path is not None
            self._file = FileSource(self.path)
            if self._file.identity != self.identity:
                self.close()
                raise FileChanged("The file has changed while it was sent.")

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer from this offset."""
        if self._file is not None:
            return self._file.read(buffer, offset)
        assert self._content is not None
        found = self._content[offset : offset + len(buffer)]
        buffer[: len(found)] = found
        return len(found)

    def release(self, part: Part) -> None:
        """Keep neither the content nor the file open."""
        self._content = None
        self.close()

    def check(self) -> None:
        """Compare size, time and inode with those of the beginning."""
        assert self.path is not None
        try:
            now = identity_of(self.path.stat())
        except OSError as error:
            raise FileChanged("The file has vanished while it was sent.") from error
        if now != self.identity:
            raise FileChanged("The file has changed while it was sent.")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def look_at(path: Path, most: int, room: int, *, read: bool) -> SmallFile | None:
    """A file if it is small, None if it is not.

    Args:
        path: of the file.
        most: bytes of a small file.
        room: bytes of content that may be kept.
        read: whether its MD5 is wanted.

    Raises:
        SourceError: it cannot be read.
        FileChanged: it has changed meanwhile.
    """
    with closing(FileSource(path)) as source:
        assert source.identity is not None
        if source.size > most:
            return None
        if not read:
            return SmallFile(path, source.identity)
        if source.size > min(KEPT_FILE, room):
            small = SmallFile(path, source.identity, md5_of_part(blocks(source, 0, source.size)))
        else:
            content = b"".join(map(bytes, blocks(source, 0, source.size)))
            digest = new_md5()
            digest.update(content)
            small = SmallFile(path, source.identity, digest.hexdigest(), content)
        source.check()
        return small
