"""What is measured, round by round, in an order that chance decides."""

import random
import time

from . import machine, measure

IMAGE = "library/busybox:latest"
LARGE = "bench/redis-like:latest"
GIB = 1 << 30


def rounds(count, subjects, one):
    """`count` rounds, each in random order, of `one(subject, measure.run)`.

    One more before them warms up, and tells the peak of memory: `one(subject, measure.peak)`.
    """
    peaks = {subject.name: one(subject, measure.peak) for subject in subjects}
    samples = {subject.name: [] for subject in subjects}
    for _ in range(count):
        for subject in random.sample(subjects, len(subjects)):
            samples[subject.name].append(one(subject, measure.run))
    return {name: measure.summary(found, peaks[name]) for name, found in samples.items()}


def run_and_exec(work, count, subjects, layout):
    """`run --rm --network none busybox true`, and `exec … true` in a running container."""
    with machine.FileSystem(work, "containers", 4 * GIB) as folder:
        for subject in subjects:
            (folder / subject.name).mkdir()
            for name in ("tmp", "root", "state"):
                (folder / subject.name / name).mkdir()
            subject.on(folder / subject.name)
            if subject.name == "crun":
                subject.prepare(layout, IMAGE)
            else:
                measure.run(subject.pull(IMAGE), subject.environment)
        ran = rounds(count, subjects, lambda subject, how: how(subject.run(IMAGE), subject.environment))
        for subject in subjects:
            start_container(subject, "bench-exec")
        resident = frozenset(measure.children())
        executed = rounds(
            count, subjects, lambda subject, how: how(subject.exec("bench-exec"), subject.environment, resident)
        )
        for subject in subjects:
            measure.call(subject.remove("bench-exec"), subject.environment)
        measure.settle(frozenset())
    return ran, executed


def start_container(subject, name):
    """Gives the seconds it took. The process that stays beside the container becomes our child."""
    start = time.perf_counter()
    measure.call(subject.start(IMAGE, name), subject.environment)
    return time.perf_counter() - start


def pull(work, count, subjects):
    """The large image into an empty store, on a file system that is new each time."""

    def one(subject, how):
        with machine.FileSystem(work, "pull", 2 * GIB) as folder:
            subject.on(folder)
            found = how(subject.pull(LARGE), subject.environment)
            if how is measure.run:
                start = time.perf_counter()
                measure.call(["sync", "-f", str(folder)], subject.environment)
                found.settled += time.perf_counter() - start
            return found

    return rounds(count, subjects, one)


def monitors(work, count, subjects):
    """Private memory of the processes that stay beside `count` running containers."""
    found = {}
    for subject in subjects:
        with machine.FileSystem(work, "monitors", 4 * GIB) as folder:
            subject.on(folder)
            measure.run(subject.pull(IMAGE), subject.environment)
            names = [f"bench-{number}" for number in range(count)]
            started = [start_container(subject, name) for name in names]
            time.sleep(1)
            found[subject.name] = measure.memory_of(measure.children())
            found[subject.name]["start_ms"] = round(measure.median(started) * 1e3, 2)
            for name in names:
                measure.call(subject.remove(name), subject.environment)
            measure.settle(frozenset())
    return found
