# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Files below a folder, and the keys they get."""

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from oarepo_s3_client.errors import ClientError, SourceError, UsageError


@dataclass(frozen=True, slots=True)
class Found:
    """A file to upload; ``size`` in bytes as it is now."""

    path: str
    key: str
    size: int
    renamed: bool = False
    """Whether the key is written otherwise than the name on the disk, see :func:`key_of`."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that cannot be uploaded."""

    path: str
    key: str
    error: ClientError


@dataclass(frozen=True, slots=True)
class Skipped:
    """A link to a folder: it is not followed, as it could lead out of the folder, or round in a circle."""

    path: str
    key: str


@dataclass(frozen=True)
class Selection:
    """Which files of a folder are meant.

    Attributes:
        include: patterns one of which a file has to match; all files if there are none.
        exclude: patterns that none may match, neither the file nor a folder that it is in.
        max_depth: 1 for the files of the folder itself, 2 also for those of its subfolders; None for all.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    max_depth: int | None = None

    def excludes(self, path: str) -> bool:
        """Whether a file or folder is left out."""
        return any(matches(path, pattern) for pattern in self.exclude)

    def takes(self, path: str) -> bool:
        """Whether a file is meant by all that is said, as if it were found in folders."""
        parts = path.split("/")
        deep = self.max_depth is not None and len(parts) > self.max_depth
        folders = ("/".join(parts[:count]) for count in range(1, len(parts)))
        return not deep and not any(map(self.excludes, (*folders, path))) and self.includes(path)

    def includes(self, path: str) -> bool:
        """Whether a file that is not excluded is meant."""
        return not self.include or any(matches(path, pattern) for pattern in self.include)


def matches(path: str, pattern: str) -> bool:
    """Whether a path within the folder fits a pattern.

    A pattern without a slash is for the name alone. One with a slash is for the whole path, where ``*`` stops at a
    slash and ``**`` stands for any number of folders.
    """
    pattern = unicodedata.normalize("NFC", pattern)
    if "/" not in pattern.rstrip("/"):
        return fnmatchcase(path.rpartition("/")[2], pattern.rstrip("/"))
    return _match_parts(path.split("/"), pattern.strip("/").split("/"))


def _match_parts(path: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_match_parts(path[skipped:], pattern[1:]) for skipped in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _match_parts(path[1:], pattern[1:])


def key_of(name: str) -> str:
    """The name as it goes over the wire: composed (NFC), as some systems store letters with accents in two pieces.

    Raises:
        SourceError: it is no text, such as a name in an old encoding.
    """
    try:
        # Whatever the locale says: what a file is called is bytes, and ours are UTF-8.
        name = os.fsencode(name).decode("utf-8")
    except UnicodeError as error:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        raise SourceError(f"The name {shown!r} is not in UTF-8.", hint="Rename it.") from error
    return unicodedata.normalize("NFC", name)


def walk(folder: str, prefix: str, selection: Selection) -> Iterator[Found | Trouble | Skipped]:
    """Everything below a folder, in the order of the names.

    Args:
        folder: where to begin.
        prefix: what each key begins with; below it, keys are paths within the folder, with slashes.
        selection: what is meant.
    """
    waiting: list[tuple[str, str]] = [(folder, "")]
    while waiting:
        path, within = waiting.pop()
        try:
            with os.scandir(path) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Trouble(path, prefix + within, _unreadable(path, error))
            continue
        folders = []
        for entry in ordered:
            for one in _look_at(entry, within, prefix, selection):
                if isinstance(one, tuple):
                    folders.append(one)
                else:
                    yield one
        waiting += reversed(folders)


def _look_at(
    entry: os.DirEntry[str], within: str, prefix: str, selection: Selection
) -> Iterator[Found | Trouble | Skipped | tuple[str, str]]:
    try:
        name = key_of(entry.name)
    except SourceError as error:
        yield Trouble(entry.path, prefix + within + os.fsencode(entry.name).decode("utf-8", "replace"), error)
        return
    inside = within + name
    if selection.excludes(inside):
        return
    if entry.is_dir(follow_symlinks=False):
        if selection.max_depth is None or inside.count("/") + 1 < selection.max_depth:
            yield entry.path, f"{inside}/"
    elif os.path.isdir(entry.path):  # False also for a circle of links, of which entry.is_dir() makes an exception
        yield Skipped(entry.path, prefix + inside)
    elif selection.includes(inside):
        yield look_at_file(entry.path, prefix + inside, renamed=name != entry.name)


def look_at_file(path: str, key: str, *, renamed: bool) -> Found | Trouble:
    """A file; links to files are followed."""
    try:
        status = os.stat(path)
    except OSError as error:
        return Trouble(path, key, _unreadable(path, error))
    if not stat.S_ISREG(status.st_mode):
        return Trouble(path, key, SourceError(f"{path} is no regular file."))
    return Found(path, key, status.st_size, renamed)


def _unreadable(path: str, error: OSError) -> SourceError:
    dangling = isinstance(error, FileNotFoundError) and os.path.islink(path)
    reason = "it is a link to nothing" if dangling else (error.strerror or str(error)).lower()
    return SourceError(f"{path} cannot be read: {reason}.")


def collect(
    sources: Sequence[str], key: str | None, selection: Selection, *, recursive: bool
) -> Iterator[Found | Trouble | Skipped]:
    """Everything that the sources of a command line stand for; no key twice.

    Args:
        sources: files and folders.
        key: the key of the only file; of folders, what goes before the keys.
        selection: which files of folders are meant.
        recursive: whether folders may be among them.

    Raises:
        UsageError: a folder without ``recursive``, or one key for several files.
    """
    if key is not None and len(sources) > 1:
        raise UsageError("--key is for one file or folder.", hint="Upload them one by one, or leave --key out.")
    seen: set[tuple[str, str]] = set()
    taken: dict[str, str] = {}
    for source in sources:
        for one in _expand(source, key, selection, recursive=recursive):
            if (one.path, one.key) in seen:  # the same source twice
                continue
            seen.add((one.path, one.key))
            before = taken.setdefault(one.key, one.path) if isinstance(one, Found) else one.path
            if before != one.path:
                message = f"{one.path} has the same key as {before}."
                yield Trouble(one.path, one.key, SourceError(message, hint="Rename one of the two.", code="same_key"))
            else:
                yield one


def _expand(
    source: str, key: str | None, selection: Selection, *, recursive: bool
) -> Iterator[Found | Trouble | Skipped]:
    if os.path.isdir(source):
        if not recursive:
            raise UsageError(f"{source} is a folder.", hint="Add --recursive to upload what is in it.")
        yield from walk(source, "" if key is None else key_of(key), selection)
        return
    name = Path(source).name
    composed = key_of(name if key is None else key)
    yield look_at_file(source, composed, renamed=key is None and composed != name)
