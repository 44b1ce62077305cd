"""What is measured, round by round, in an order that chance decides."""

import random
import time

from . import bundles, machine, measure, memory
from .subjects import standing

IMAGE = "library/busybox:latest"
GIB = 1 << 30


def rounds(count, subjects, one, first=measure.peak, then=measure.run):
    """`count` rounds, each in random order, of `one(subject, then)`.

    One more before them warms up, and tells the peak of memory: `one(subject, first)`.
    Without `first`, every round tells the peak.
    """
    warm_up = {subject.name: [one(subject, first)] if first else [] for subject in subjects}
    samples = {subject.name: [] for subject in subjects}
    for _ in range(count):
        for subject in random.sample(subjects, len(subjects)):
            samples[subject.name].append(one(subject, then))
    return {name: measure.summary(found, warm_up[name]) for name, found in samples.items()}


def run_and_exec(work, count, engines, runtimes, layout):
    """`run --rm --network none busybox true`, and `exec … true` in a running container."""
    everyone = [*engines, *runtimes]
    with machine.FileSystem(work, "containers", 4 * GIB) as folder, standing(folder, everyone):
        bundles.make(folder / "bundles", layout, IMAGE)
        for engine in engines:
            measure.run(engine.pull(IMAGE), engine)
        ran = rounds(count, everyone, lambda subject, how: how(subject.run(IMAGE), subject))
        for subject in everyone:
            start_container(subject, "bench-exec")
        resident = frozenset(measure.children())
        executed = rounds(count, everyone, lambda subject, how: how(subject.exec("bench-exec"), subject, resident))
        for subject in everyone:
            measure.call(subject.remove("bench-exec"), subject.environment)
        measure.settle(frozenset())
    return {"run": ran, "exec": executed}


def runtimes(work, count, everyone, layout):
    """One bundle: `run`; and create, start, wait, delete."""
    with machine.FileSystem(work, "runtimes", 2 * GIB) as folder, standing(folder, everyone):
        bundles.make(folder / "bundles", layout, IMAGE)
        return {
            "runtime_run": rounds(count, everyone, lambda runtime, how: how(runtime.run(), runtime)),
            "runtime_cycle": rounds(count, everyone, bundles.cycle, measure.run),
        }


def start_container(subject, name):
    """Gives the seconds it took. The process that stays beside the container becomes our child."""
    start = time.perf_counter()
    measure.call(subject.start(IMAGE, name), subject.environment)
    return time.perf_counter() - start


def monitors(work, count, engines):
    """Private memory of the processes that stay beside `count` running containers."""
    found = {}
    for engine in engines:
        with machine.FileSystem(work, "monitors", 4 * GIB) as folder, standing(folder, [engine]):
            measure.run(engine.pull(IMAGE), engine)
            names = [f"bench-{number}" for number in range(count)]
            started = [start_container(engine, name) for name in names]
            time.sleep(1)
            beside = engine.monitors()
            if len(beside) != count:
                raise SystemExit(f"bench: {len(beside)} processes of {engine.name} stand beside {count} containers")
            found[engine.name] = memory.memory_of(beside)
            found[engine.name]["start_ms"] = round(measure.median(started) * 1e3, 2)
            measure.call(engine.remove(*names), engine.environment)
            measure.settle(frozenset())
    return {"monitors": found}
