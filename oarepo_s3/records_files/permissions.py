# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Who may read, write and delete the files of a record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask import request
from flask_login import current_user
from invenio_base.utils import obj_or_import_string
from werkzeug.exceptions import Forbidden, Unauthorized

Action = Literal["put", "get", "delete"]
Factory = Callable[..., Any]
Fallback = Callable[[Action], Factory | None]


@dataclass(frozen=True)
class FilePermissions:
    """The permission factories of an endpoint.

    :param options: ``put_file_factory``, ``get_file_factory``, ``delete_file_factory``: a factory or its import path,
        called with ``record=`` and ``key=`` (None for the list of all files), or a permission itself.
    :param fallback: gives the factory for an action that has no option, called with ``record=`` only. None of it means
        that everybody may, as with the record itself.
    """

    options: Mapping[str, Any]
    fallback: Fallback

    def is_keyed(self, action: Action) -> bool:
        """Whether the answer may depend on the file."""
        return self.options.get(f"{action}_file_factory") is not None

    def allows(self, action: Action, record: Any, key: str | None) -> bool:
        """Whether the current user may do it."""
        if self.is_keyed(action):
            factory = obj_or_import_string(self.options[f"{action}_file_factory"])
            permission = factory(record=record, key=key) if callable(factory) else factory
            return bool(permission.can())
        fallback = self.fallback(action)
        return fallback is None or bool(fallback(record=record).can())

    def check(self, action: Action, record: Any, key: str | None) -> None:
        """Refuse what the current user may not do.

        :raises Unauthorized: nobody is logged in.
        :raises Forbidden: somebody is, and may not.
        """
        if self.allows(action, record, key):
            return
        if not current_user.is_authenticated:
            raise Unauthorized("Log in to do this.")
        raise Forbidden("You have no permission to do this.")


def record_permissions(endpoint: Mapping[str, Any]) -> Fallback:
    """The factories of a ``RECORDS_REST_ENDPOINTS`` entry: who may update the record may put and delete its files."""
    names: dict[Action, str] = {"put": "update", "get": "read", "delete": "update"}

    def fallback(action: Action) -> Factory | None:
        from invenio_records_rest.proxies import current_records_rest

        name = f"{names[action]}_permission_factory"
        own = endpoint.get(f"{name}_imp")
        factory: Factory | None = obj_or_import_string(own) if own else getattr(current_records_rest, name)
        return factory

    return fallback


def nobody(action: Action) -> Factory:
    """Denies everything."""

    class Denied:
        def can(self) -> bool:
            return False

    return lambda **_: Denied()


def actor() -> str | None:
    """Id of the user who is logged in, for the log of events."""
    return str(current_user.id) if current_user.is_authenticated else None


def show_view_to_factories(view: Any) -> None:
    """Let permission factories of invenio-records-rest find the view where they look for it."""
    request._methodview = view  # type: ignore[attr-defined]
