"""Pulls of large images into empty stores: time, memory, what is synced; and what no one can do without."""

import os
import re
import time
from pathlib import Path

from . import machine, measure
from .rounds import GIB, rounds
from .subjects import standing

REDIS = "bench/redis-like:latest"
BIG = "bench/big:latest"
LAYERS = {"10 MB": "bench/layer:10mb", "10 GB": "bench/layer:10gb"}
SYNCING = "fsync,fdatasync,sync,syncfs,sync_file_range,msync"


def once(work, engine, image, how, size=4 * GIB):
    """One pull on a file system that is new each time; `settled` is with all of it written."""
    with machine.FileSystem(work, "pull", size) as folder, standing(folder, [engine]):
        found = how(engine.pull(image), engine)
        if isinstance(found, measure.Sample):
            start = time.perf_counter()
            measure.call(["sync", "-f", str(folder)], engine.environment)
            found.settled += time.perf_counter() - start
        return found


def pull(work, count, engines, image):
    return rounds(count, engines, lambda engine, how: once(work, engine, image, how), None, measure.peak)


def syncs(work, engines, image):
    """How often each of the calls that write to the disk is made during a pull, by command and daemon."""
    found = {}
    log = Path(os.environ["BENCH_LOG"] + ".strace")
    tracer = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={SYNCING}", "-e", "signal=none", "-A", "-o", str(log)]
    for engine in engines:
        log.unlink(missing_ok=True)
        engine.tracer = tracer

        def traced(command, engine):
            # What its daemon did to come up is not the pull's.
            log.write_text("")
            measure.call([*tracer, *command], engine.environment)
            return counts(log.read_text())

        found[engine.name] = once(work, engine, image, traced)
        engine.tracer = ()
    return found


def counts(trace):
    """{call: times} of what strace wrote, which also shows calls that it does not know."""
    names = SYNCING.split(",")
    made = re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE)
    return {name: made.count(name) for name in names}


def layers(work, program):
    """The peak of memory for one layer of 10 MB and one of 10 GB."""
    found = {}
    for name, image in LAYERS.items():
        sample = once(work, program, image, measure.peak, 12 * GIB)
        found[name] = {"wall_ms": round(sample.wall * 1e3, 1), **measure.peaks([sample])}
    return {"layers": found}
