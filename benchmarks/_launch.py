# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Runs a command line in a new process and prints what it has cost, as JSON; a program of its own.

The kernel counts the memory of a process from its parent's fork on, so the parent has to be small: this one is, and a
benchmark that has imported Invenio is not.
"""

import json
import resource
import subprocess
import sys
import time


def main(argv: list[str]) -> int:
    """Run it to its end; its own output goes to standard error."""
    began = time.perf_counter()
    code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode
    wall = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"code": code, "wall_s": wall, "cpu_s": cpu, "rss_mib": usage.ru_maxrss / 1024}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
