"""What each kind of thread of a command uses, by the names that the threads have."""

import os
import subprocess
import time

from . import measure
from .measure import TICK

# A thread that ends loses at most as much as it ran since the last look.
INTERVAL = 0.01


def used_by_threads(command, subject):
    """{thread name: figures} of one run; threads of one name are summed, the program's first has its own."""
    seen = {}
    with open(os.environ["BENCH_LOG"], "ab") as log:
        child = subprocess.Popen(command, env=subject.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while child.poll() is None:
            look(child.pid, seen)
            time.sleep(INTERVAL)
    if child.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)} ended with {child.returncode}; see {os.environ['BENCH_LOG']}")
    measure.settle(frozenset())
    figures = {}
    for name, user, system in seen.values():
        row = figures.setdefault(name, {"threads": 0, "cpu_ms": 0, "user_ms": 0, "system_ms": 0})
        row["threads"] += 1
        row["cpu_ms"] += round((user + system) * 1000 / TICK)
        row["user_ms"] += round(user * 1000 / TICK)
        row["system_ms"] += round(system * 1000 / TICK)
    return figures


def look(pid, seen):
    """Notes what each thread has used so far (proc(5), fields 14 and 15)."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as file:
                head, _, rest = file.read().rpartition(")")
            fields = rest.split()
            seen[thread] = (head.partition("(")[2], int(fields[11]), int(fields[12]))
    except (FileNotFoundError, ProcessLookupError):
        pass
