# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Where the token comes from: option, environment, or the file that ``oarepo-s3 login`` writes."""

import json
import os
import stat
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from oarepo_s3_client.errors import UsageError

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def config_path() -> Path:
    """``config.toml`` in the user's folder of settings."""
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return folder / "oarepo-s3" / "config.toml"


def origin_of(url: str) -> str:
    """``https://host`` or ``https://host:port`` of a URL, in lower case.

    Raises:
        UsageError: it is no http(s) URL with a host, or holds a user name or password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no web address: {error}.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{url!r} is no web address of a record.", hint="It begins with https:// and the server's name."
        )
    if parts.username or parts.password:
        raise UsageError("The address holds a user name or a password.", hint="Leave it out and use a token.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, default) else f":{port}")


def is_encrypted(url: str) -> bool:
    """Whether nobody on the way can read what goes there: TLS, or it stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


@dataclass
class Config:
    """What the file holds.

    Attributes:
        server: origin that addresses without one belong to.
        tokens: token by origin; each goes to its own server only.
    """

    server: str | None = None
    tokens: dict[str, str] = field(default_factory=dict, repr=False)


def load(path: Path) -> Config:
    """Read the file; an empty configuration if there is none.

    Raises:
        UsageError: others may read it, or it is damaged.
    """
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & OTHERS:
                raise UsageError(f"Others may read the tokens in {path}.", hint=f"Protect it: chmod 600 {path}")
            document = tomllib.load(file)
        tokens = {str(origin): str(entry["token"]) for origin, entry in document.get("servers", {}).items()}
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        hint = "Correct it, or remove it and log in again."
        raise UsageError(f"{path} cannot be used: {error or type(error).__name__}.", hint=hint) from error
    return Config(document.get("server"), tokens)


def save(path: Path, config: Config) -> None:
    """Replace the file in one step; only its owner may read it, from the first byte on.

    Raises:
        UsageError: the folder cannot be written.
    """
    lines = [] if config.server is None else [f"server = {_toml(config.server)}", ""]
    for origin, token in sorted(config.tokens.items()):
        lines += [f"[servers.{_toml(origin)}]", f"token = {_toml(token)}", ""]
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # made with mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        os.replace(name, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error


def _toml(text: str) -> str:
    """A basic string of TOML, whose escapes are those of JSON but for DEL and pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def checked_token(text: str, origin: str) -> str:
    """The token without the line's end.

    Raises:
        UsageError: it is empty, or no header could carry it.
    """
    token = text.strip()
    if not token:
        raise UsageError(f"The token from {origin} is empty.", hint="Get one from the repository's web pages.")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(f"The token from {origin} holds a space or another character that no token has.")
    return token


def token_from_file(name: str) -> str:
    """The first line of a file, or of standard input for ``-``.

    Raises:
        UsageError: it cannot be read, or holds no token.
    """
    try:
        if name == "-":
            return checked_token(sys.stdin.readline(), "standard input")
        with open(name, encoding="utf-8") as file:
            return checked_token(file.readline(), name)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def given_token(option: str | None, file: str | None, environment: Mapping[str, str]) -> str | None:
    """The token that the user has given for this run: by option, from a file, or in the environment.

    Raises:
        UsageError: it cannot be used.
    """
    if option is not None:
        return checked_token(option, "--token")
    if file is not None:
        return token_from_file(file)
    if environment.get("OAREPO_S3_TOKEN"):
        return checked_token(environment["OAREPO_S3_TOKEN"], "OAREPO_S3_TOKEN")
    return None


def kept_token(target: str, config: Config) -> str | None:
    """The token that ``oarepo-s3 login`` has kept for a record's server, None if there is none.

    Raises:
        UsageError: it cannot be used.
    """
    found = config.tokens.get(origin_of(target))
    return None if found is None else checked_token(found, "the configuration")
