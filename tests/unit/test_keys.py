# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Keys that a URL can carry, and others."""

import pytest

from oarepo_s3.errors import InvalidKey
from oarepo_s3.uploads.keys import MAX_KEY_BYTES, check_key


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "is empty"),
        ("a\tb", "control character"),
        ("a\x7f", "control character"),
        ("a\x85b", "control character"),
        ("\udc80", "half a character"),
        ("x" * 11, "is longer than 10 characters"),
        ("/a", "begins with a slash"),
        ("/", "begins with a slash"),
        (".", "segment"),
        ("a/..", "segment"),
        ("./a", "segment"),
        ("a/./b", "segment"),
    ],
)
def test_refused(key: str, reason: str) -> None:
    with pytest.raises(InvalidKey, match=reason):
        check_key(key, 10)


@pytest.mark.parametrize("key", ["a", "x" * 10, "a/b", "a//b", "a/", "...", ".a", "a.", "..a/b..", "%2e%2e", "\u200b"])
def test_allowed(key: str) -> None:
    check_key(key, 10)


@pytest.mark.parametrize("character", ["a", "\u0159", "\u20ac", "\U0001f4be"])
def test_length_in_bytes(character: str) -> None:
    most = MAX_KEY_BYTES // len(character.encode())
    check_key(character * most, 2000)
    with pytest.raises(InvalidKey, match="1024 bytes"):
        check_key(character * (most + 1), 2000)
