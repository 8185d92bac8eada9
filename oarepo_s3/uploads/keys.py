# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Which file keys can be told apart and reached by a URL."""

import unicodedata

from ..errors import InvalidKey

MAX_KEY_BYTES = 1024
"""Longest key in UTF-8: what S3 and most file systems' paths take; ours never reaches the store."""


def check_key(key: str, max_length: int) -> None:
    """Refuse a key whose file could not be reached afterwards.

    HTTP clients and proxies drop ``.`` and ``..`` segments and a leading slash, so such a file could be created, but
    neither completed nor deleted.

    :param max_length: characters, ``FILES_REST_OBJECT_KEY_MAX_LEN``.
    :raises InvalidKey: with the reason.
    """
    problem = _problem(key, max_length)
    if problem:
        raise InvalidKey(f"The file key {problem}.")


def _problem(key: str, max_length: int) -> str | None:
    if not key:
        return "is empty"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in key):
        return "has a control character or half a character"
    if len(key) > max_length or len(key.encode()) > MAX_KEY_BYTES:
        return f"is longer than {max_length} characters or {MAX_KEY_BYTES} bytes"
    if key.startswith("/"):
        return "begins with a slash"
    if any(segment in (".", "..") for segment in key.split("/")):
        return "has a segment . or .., which no URL can carry"
    return None
