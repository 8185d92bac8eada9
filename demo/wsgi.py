# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What gunicorn serves."""

from . import settings
from .app import create_app

application = create_app(settings.load())
