# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Clients of botocore and credentials from the settings of invenio-s3."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.client import Config
from botocore.exceptions import BotoCoreError
from botocore.handlers import validate_bucket_name
from botocore.utils import parse_timestamp

from oarepo_s3.errors import ConfigurationError, StoreRefused
from oarepo_s3.store.presign import Credentials

DEFAULT_REGION = "us-east-1"
"""Region to sign for where none is set; most stores other than AWS take any."""

CONNECT_TIMEOUT = 10
"""Seconds that a connection may take at most, unless ``S3_CONFIG_EXTRA`` says otherwise."""

_SIGNATURE_VERSION = "s3v4"
_CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")
_CHECKSUM_VALUES = ("when_required", "when_supported")
_NO_ENDPOINT = "is no URL http(s)://host[:port]."
_SNAPSHOT_ATTEMPTS = 3
_CLIENT_OPTIONS = ("endpoint_url", "region_name", "verify", "use_ssl", "api_version", "aws_session_token")


def allow_any_bucket_name(events: Any) -> None:
    """Let ``tenant:bucket`` pass, which is no name that botocore would take; the store checks names itself.

    :param events: event emitter of a client of botocore or aiobotocore: ``client.meta.events``.
    """
    events.unregister("before-parameter-build.s3", validate_bucket_name)


def read_timestamp(value: Any) -> datetime:
    """Read a time of an answer.

    botocore tries every known form in turn, which for 10,000 listed parts takes a third of the time of a completion.
    Nearly all are in ISO 8601.

    :raises ValueError: it is no time.
    """
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        found: datetime = parse_timestamp(value)
        return found


class Connection:
    """A session of boto3 and how to build clients from it. See :class:`oarepo_s3.store.client.S3Client`."""

    def __init__(
        self,
        access_key: str | None,
        secret_key: str | None,
        client_kwargs: Mapping[str, Any],
        config_kwargs: Mapping[str, Any],
    ) -> None:
        if bool(access_key) != bool(secret_key):
            raise ConfigurationError("S3_SECRET_ACCESS_KEY", "goes together with S3_ACCESS_KEY_ID; set both or none.")
        self._options = _checked_options(client_kwargs)
        token = self._options.pop("aws_session_token", None)
        session = botocore.session.get_session()
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_timestamp)
        self._session = boto3.session.Session(
            aws_access_key_id=access_key or None,
            aws_secret_access_key=secret_key or None,
            aws_session_token=token if access_key else None,
            region_name=self._options.pop("region_name", None),
            botocore_session=session,
        )
        self.region: str = self._session.region_name or DEFAULT_REGION
        self._config = _checked_config(config_kwargs)
        # The endpoint may also come from the environment or the AWS configuration file: ask botocore.
        self.endpoint_url: str = self._options.get("endpoint_url") or self._client(self._config).meta.endpoint_url
        if not is_aws(self.endpoint_url):
            # By default boto3 adds checksums in a form that other stores refuse, or store as part of the object.
            self._config = dict.fromkeys(_CHECKSUMS, "when_required") | self._config

    def client(self, *, read_timeout: float, attempts: int, max_connections: int) -> Any:
        """Build a client whose calls are tried ``attempts`` times in all and wait ``read_timeout`` seconds each."""
        settings = {"connect_timeout": min(CONNECT_TIMEOUT, read_timeout)} | self._config
        settings |= {
            "read_timeout": read_timeout,
            "max_pool_connections": max_connections,
            "retries": {"mode": "standard", "total_max_attempts": attempts},
        }
        return self._client(settings)

    def _client(self, settings: Mapping[str, Any]) -> Any:
        try:
            return self._session.client("s3", region_name=self.region, config=Config(**settings), **self._options)
        except (BotoCoreError, TypeError) as error:
            raise ConfigurationError("S3_CONFIG_EXTRA", "botocore refuses it.") from error
        except ValueError as error:
            raise ConfigurationError("S3_ENDPOINT_URL", _NO_ENDPOINT) from error

    def credentials(self) -> Credentials:
        """The credentials of this moment; those of a role or a service are renewed when they are about to end.

        :raises StoreRefused: there are none.
        """
        found = self._session.get_credentials()
        if found is None:
            raise StoreRefused("There are no credentials for the store.")
        for _ in range(_SNAPSHOT_ATTEMPTS):
            frozen = found.get_frozen_credentials()
            # botocore has no public name for it. Between two equal snapshots it belongs to them, though another thread
            # may renew both at any time.
            expires_at = getattr(found, "_expiry_time", None)
            if found.get_frozen_credentials() == frozen:
                break
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token, expires_at)


def is_aws(endpoint_url: str) -> bool:
    """Tell whether the endpoint is one of AWS, in China or elsewhere."""
    host = urlsplit(endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _checked_options(client_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in client_kwargs.items() if value is not None}
    if unknown := sorted(options.keys() - set(_CLIENT_OPTIONS)):
        raise ConfigurationError("client_kwargs", f"unknown: {', '.join(unknown)}.")
    if not _is_http_url(options.get("endpoint_url", "https://any")):
        raise ConfigurationError("S3_ENDPOINT_URL", _NO_ENDPOINT)
    bundle = options.get("verify")
    if isinstance(bundle, str) and not Path(bundle).exists():
        raise ConfigurationError("S3_CA_BUNDLE", "there is no such file.")
    return options


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _checked_config(config_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    config = {name: value for name, value in config_kwargs.items() if value is not None}
    if unknown := sorted(config.keys() - set(Config.OPTION_DEFAULTS)):
        raise ConfigurationError("S3_CONFIG_EXTRA", f"botocore knows no {', '.join(unknown)}.")
    for name in _CHECKSUMS:
        if name in config:
            # botocore takes capitals from the environment and the configuration file, but not from here.
            config[name] = str(config[name]).lower()
            if config[name] not in _CHECKSUM_VALUES:
                raise ConfigurationError("S3_CONFIG_EXTRA", f"{name} is one of {', '.join(_CHECKSUM_VALUES)}.")
    # Version 2 ("s3") is refused by AWS and cannot pin the length of a part. Others sign for no S3 at all.
    if config.setdefault("signature_version", _SIGNATURE_VERSION) != _SIGNATURE_VERSION:
        raise ConfigurationError("S3_SIGNATURE_VERSION", f"has to be {_SIGNATURE_VERSION}.")
    config["s3"] = {"addressing_style": "path"} | dict(config.get("s3") or {})
    return config
