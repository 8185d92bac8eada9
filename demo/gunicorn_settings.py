# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""How gunicorn serves the demo. Names that an older gunicorn does not know are ignored by it."""

from . import settings

bind = f"127.0.0.1:{settings.load().port}"
workers = 2
worker_class = "gthread"
threads = 4
graceful_timeout = 5
# Nobody shall be able to steer it from outside, and two demos would fight for the one socket.
control_socket_disable = True
