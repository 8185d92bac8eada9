# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Flask extension: builds store, signer and service from the configuration, once per process."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any, TypeVar

from flask import Flask, current_app
from invenio_base.utils import obj_or_import_string

from . import config
from .announcing import SignalAnnouncer
from .settings import check_settings, limits_of, rules_of
from .store.contract import Store
from .store.presign import AddressingStyle, Presigner
from .uploads.context import Context, Owner
from .uploads.service import UploadService

OWNERS_ENTRY_POINT = "oarepo_s3.owners"
Built = TypeVar("Built")


class OARepoS3:
    """The extension; ``app.extensions["oarepo-s3"]``."""

    def __init__(self, app: Flask | None = None) -> None:
        """Initialise the extension, and the application if one is given."""
        self._lock = threading.RLock()
        self._built: dict[str, Any] = {}
        self._pid = os.getpid()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set the defaults and check the settings.

        :raises ConfigurationError: a setting cannot work; the message names it.
        """
        for name in dir(config):
            if name.startswith("S3_"):
                app.config.setdefault(name, getattr(config, name))
        check_settings(app.config)
        app.extensions["oarepo-s3"] = self

    @property
    def store(self) -> Store:
        """The client that talks to the store."""
        return self._once("store", build_store)

    @property
    def presigner(self) -> Presigner:
        """The signer of URLs for the endpoint that clients see."""
        return self._once("presigner", lambda settings: build_presigner(settings, self.store))

    @property
    def uploads(self) -> UploadService:
        """The use cases of uploads."""
        return self._once("uploads", lambda settings: UploadService(self._context(settings)))

    def owners(self, name: str | None) -> Sequence[Owner]:
        """The owner adapters with this name, or all of them."""
        adapters = self._once("owners", lambda _: load_owners())
        return [adapters[name]] if name is not None else list(adapters.values())

    def _once(self, name: str, build: Callable[[Mapping[str, Any]], Built]) -> Built:
        """Build a thing on first use; again after a fork, as two processes must not share a connection."""
        with self._lock:
            if self._pid != os.getpid():
                self._built, self._pid = {}, os.getpid()
            if name not in self._built:
                self._built[name] = build(current_app.config)
            built: Built = self._built[name]
            return built

    def _context(self, settings: Mapping[str, Any]) -> Context:
        return Context(
            store=self.store,
            presigner=self.presigner,
            limits=limits_of(settings),
            rules=rules_of(settings),
            owners=self.owners,
            announcer=SignalAnnouncer(self.owners, lambda: current_app._get_current_object()),  # type: ignore[attr-defined]
            clock=lambda: datetime.now(UTC),
            wire_bucket=self.wire_bucket,
        )

    def wire_bucket(self, s3_bucket: str) -> str:
        """The store's bucket as it goes on the wire: ``tenant:bucket`` where ``S3_TENANT`` is set."""
        tenant = current_app.config["S3_TENANT"]
        return f"{tenant}:{s3_bucket}" if tenant else s3_bucket


def build_store(settings: Mapping[str, Any]) -> Store:
    """The client that ``S3_CLIENT`` names, with the settings of invenio-s3."""
    info = current_app.extensions["invenio-s3"].init_s3fs_info
    store: Store = obj_or_import_string(settings["S3_CLIENT"])(
        access_key=info["key"],
        secret_key=info["secret"],
        client_kwargs=info["client_kwargs"],
        config_kwargs=info["config_kwargs"],
        tenant=settings["S3_TENANT"],
        timeout=settings["S3_MULTIPART_STORE_TIMEOUT"],
        complete_timeout=settings["S3_MULTIPART_COMPLETE_TIMEOUT"],
        attempts=settings["S3_MULTIPART_STORE_ATTEMPTS"],
        max_connections=settings["S3_MULTIPART_STORE_CONNECTIONS"],
    )
    return store


def build_presigner(settings: Mapping[str, Any], store: Any) -> Presigner:
    """A signer with the store's credentials, for the public endpoint if there is one."""
    extra = settings.get("S3_CONFIG_EXTRA") or {}
    style = (extra.get("s3") or {}).get("addressing_style", "path")
    return Presigner(
        endpoint_url=settings["S3_PUBLIC_ENDPOINT_URL"] or store.endpoint_url,
        region=store.region,
        credentials=store.credentials,
        addressing_style=AddressingStyle.VIRTUAL if style == "virtual" else AddressingStyle.PATH,
        max_part_number=settings["S3_MAXIMUM_NUMBER_OF_PARTS"],
    )


def load_owners() -> dict[str, Owner]:
    """The owner adapters that are installed, by name."""
    return {point.name: point.load()() for point in entry_points(group=OWNERS_ENTRY_POINT)}
