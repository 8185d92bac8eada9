# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What the processes of one demo have to agree on, and the folder that holds all its state."""

import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER_VARIABLE = "OAREPO_S3_DEMO_FOLDER"
PROJECT = Path(__file__).resolve().parents[1]
S3_BUCKET = "demo"
_FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """Addresses and secrets of one run.

    Attributes:
        folder: where all state is kept.
        port: TCP port of Invenio on 127.0.0.1.
        store_port: TCP port of the S3 server on 127.0.0.1.
        public_store_port: TCP port on 127.0.0.1 where clients find the store, behind a proxy that counts.
        upload_seconds: life of an upload.
        token: what a request shows to act as the demo's user.
        access_key: key id at the store.
        secret_key: the secret that belongs to it.
    """

    folder: str
    port: int
    store_port: int
    public_store_port: int
    upload_seconds: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    access_key: str = field(default_factory=lambda: secrets.token_hex(10).upper(), repr=False)
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)

    @property
    def url(self) -> str:
        """Address of Invenio, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def store_url(self) -> str:
        """Address of the S3 server, for Invenio."""
        return f"http://127.0.0.1:{self.store_port}"

    @property
    def public_store_url(self) -> str:
        """Address of the S3 server, for clients."""
        return f"http://127.0.0.1:{self.public_store_port}"

    def path(self, *names: str) -> Path:
        """Return the path of something in the folder."""
        return Path(self.folder, *names)

    def save(self) -> None:
        """Write the settings where only the user can read them, and the token beside for scripts."""
        for name, text in ((_FILE, json.dumps(asdict(self))), ("token", self.token)):
            descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)


def load() -> Settings:
    """Return the settings of the demo that this process belongs to."""
    return Settings(**json.loads(Path(os.environ[FOLDER_VARIABLE], _FILE).read_text(encoding="utf-8")))


def empty_folder(folder: Path) -> None:
    """Make the folder, for the user alone, without what an earlier run has left there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def drop_data(settings: Settings) -> None:
    """Remove database, files and secrets of a run that has ended; the logs stay."""
    for name in ("store", "files", "client", "broker", "tasks"):
        shutil.rmtree(settings.path(name), ignore_errors=True)
    for path in settings.path().glob("demo.db*"):
        path.unlink()
    for name in (_FILE, "token"):
        settings.path(name).unlink(missing_ok=True)
