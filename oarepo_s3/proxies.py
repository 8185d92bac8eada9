# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The door: what every face goes through to reach the extension of the current application."""

from typing import cast

from flask import current_app
from werkzeug.local import LocalProxy

from .ext import OARepoS3
from .store.client import S3Client
from .uploads.service import UploadService

current_s3 = cast(OARepoS3, LocalProxy(lambda: current_app.extensions["oarepo-s3"]))
"""The extension."""

current_uploads = cast(UploadService, LocalProxy(lambda: current_app.extensions["oarepo-s3"].uploads))
"""The use cases of uploads."""

current_store = cast(S3Client, LocalProxy(lambda: current_app.extensions["oarepo-s3"].store))
"""The client that talks to the store, for what only a real one has."""
