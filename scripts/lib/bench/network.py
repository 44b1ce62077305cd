"""Containers on the default bridge: run, publish, many at once, growth, throughput.

All of it happens in a network namespace of its own; images are pulled before it is entered.
"""

import concurrent.futures
import ctypes
import http.client
import json
import os
import random
import subprocess
import time

from . import machine, measure, rounds

CLONE_NEWNET = 0x40000000
WEB = ("httpd", "-f", "-p", "80", "-h", "/etc")
SOME = 50
MANY = 100


def leave():
    """This process, and what it starts from now on, is alone on a loopback device."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    machine.quietly("ip", "link", "set", "lo", "up")


class Stores:
    """A store for each subject on one file system, with the image in it; then the network is left."""

    def __init__(self, work, subjects):
        self.subjects = subjects
        self.system = machine.FileSystem(work, "networks", 6 * rounds.GIB)

    def __enter__(self):
        folder = self.system.__enter__()
        for subject in self.subjects:
            own = folder / subject.name
            for name in ("tmp", "root", "state"):
                (own / name).mkdir(parents=True)
            if subject.name == "docker":
                # Its daemon makes its bridge where it starts.
                self.archive = folder / "image.tar"
            else:
                measure.run(subject.on(own).pull(rounds.IMAGE), subject.environment)
        podman = [subject for subject in self.subjects if subject.name == "podman"]
        dockers = [subject for subject in self.subjects if subject.name == "docker"]
        for docker in dockers:
            name = f"{docker.registry}/{rounds.IMAGE}"
            save = ["podman", "save", "-q", "--format", "docker-archive", "-o", str(self.archive), name]
            measure.call(save, podman[0].environment)
        leave()
        for docker in dockers:
            docker.on(folder / "docker")
            measure.call(["docker", "load", "-q", "-i", str(self.archive)], docker.environment)
        self.residents = frozenset(measure.children())
        return self

    def __exit__(self, *_):
        for subject in self.subjects:
            if subject.name == "docker":
                subject.stop()
        measure.settle(frozenset())
        self.system.__exit__()


def remove(subject, name):
    measure.call(subject.remove(name), subject.environment)


def run(stores, count):
    """`run --rm busybox true` on the default bridge."""
    return rounds.rounds(
        count, stores.subjects,
        lambda subject, how: how(subject.run(rounds.IMAGE, None), subject.environment, stores.residents))


def answers(port, deadline=20.0):
    """Waits for an HTTP 200 from the published port."""
    end = time.perf_counter() + deadline
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/passwd")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        if time.perf_counter() > end:
            raise SystemExit(f"bench: nothing answers on port {port}")
        time.sleep(0.0005)


def publish(stores, count):
    """`run -d -p` until the port answers, and `rm -f` of it."""
    started = {subject.name: [] for subject in stores.subjects}
    removed = {subject.name: [] for subject in stores.subjects}
    for turn in range(count + 1):
        for subject in random.sample(stores.subjects, len(stores.subjects)):
            port = 20000 + turn
            command = subject.start(rounds.IMAGE, "bench-web", None, WEB, ["-p", f"{port}:80"])
            begun = time.perf_counter()
            measure.call(command, subject.environment)
            answers(port)
            between = time.perf_counter()
            remove(subject, "bench-web")
            if turn > 0:
                started[subject.name].append(between - begun)
                removed[subject.name].append(time.perf_counter() - between)
            measure.settle(stores.residents)
    return {
        name: {
            "wall_ms": round(measure.median(started[name]) * 1e3, 2),
            "wall_min_ms": round(min(started[name]) * 1e3, 2),
            "remove_ms": round(measure.median(removed[name]) * 1e3, 2),
        }
        for name in started
    }


def at_once(stores, network, count):
    """Starts fifty containers at once, as many commands as there are containers; then removes them with one."""
    started = {subject.name: [] for subject in stores.subjects}
    removed = {subject.name: [] for subject in stores.subjects}
    for _ in range(count):
        for subject in random.sample(stores.subjects, len(stores.subjects)):
            names = [f"bench-{number}" for number in range(SOME)]
            begun = time.perf_counter()
            with open(os.environ["BENCH_LOG"], "ab") as log:
                commands = [
                    subprocess.Popen(subject.start(rounds.IMAGE, name, network), env=subject.environment,
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                    for name in names
                ]
                with concurrent.futures.ThreadPoolExecutor(SOME) as waiting:
                    codes = list(waiting.map(lambda command: command.wait(), commands))
            between = time.perf_counter()
            if any(codes):
                raise SystemExit(f"bench: {sum(map(bool, codes))} of {SOME} starts of {subject.name} failed; see the log")
            measure.call(subject.remove(names[0]) + names[1:], subject.environment)
            started[subject.name].append(between - begun)
            removed[subject.name].append(time.perf_counter() - between)
            measure.settle(stores.residents)
    return {
        name: {
            "start_s": round(measure.median(started[name]), 3),
            "remove_s": round(measure.median(removed[name]), 3),
        }
        for name in started
    }


def growth(stores):
    """The hundredth container with a published port beside the first: medians of nine at each end."""
    found = {}
    for subject in stores.subjects:
        times = []
        names = [f"bench-{number}" for number in range(MANY + 9)]
        for number, name in enumerate(names):
            command = subject.start(rounds.IMAGE, name, None, ("sleep", "1000000"), ["-p", f"{21000 + number}:80"])
            begun = time.perf_counter()
            measure.call(command, subject.environment)
            times.append(time.perf_counter() - begun)
        for name in names:
            remove(subject, name)
        measure.settle(stores.residents)
        first, last = measure.median(times[:9]), measure.median(times[-9:])
        found[subject.name] = {
            "first_ms": round(first * 1e3, 2), "hundredth_ms": round(last * 1e3, 2), "growth": round(last / first, 3),
        }
    return found


def throughput(stores, count):
    """iperf3 from one container to another over the default bridge; the host's program, in their namespaces."""
    found = {subject.name: [] for subject in stores.subjects}
    for _ in range(count):
        for subject in random.sample(stores.subjects, len(stores.subjects)):
            pids = []
            for name in ("bench-server", "bench-client"):
                measure.call(subject.start(rounds.IMAGE, name, None), subject.environment)
                asked = subprocess.run(subject.pid(name), env=subject.environment, capture_output=True, text=True, check=True)
                pids.append(asked.stdout.strip())
            address = json.loads(machine.quietly("nsenter", "-n", "-t", pids[0], "ip", "-j", "-4", "addr", "show", "eth0"))
            address = address[0]["addr_info"][0]["local"]
            server = subprocess.Popen(["nsenter", "-n", "-t", pids[0], "iperf3", "-s", "-1"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            end = time.monotonic() + 10
            while not machine.quietly("nsenter", "-n", "-t", pids[0], "ss", "-Hltn", "sport = :5201").strip():
                if time.monotonic() > end:
                    raise SystemExit("bench: iperf3 does not listen")
                time.sleep(0.02)
            report = json.loads(machine.quietly("nsenter", "-n", "-t", pids[1], "iperf3", "-J", "-t", "3", "-c", address))
            server.wait()
            found[subject.name].append(report["end"]["sum_received"]["bits_per_second"])
            for name in ("bench-server", "bench-client"):
                remove(subject, name)
            measure.settle(stores.residents)
    return {name: {"gbit": round(measure.median(values) / 1e9, 2)} for name, values in found.items()}


def all_of(work, counts, subjects):
    with Stores(work, subjects) as stores:
        return {
            "bridge": run(stores, counts["run"]),
            "publish": publish(stores, counts["publish"]),
            "at_once_none": at_once(stores, "none", counts["at_once"]),
            "at_once_bridge": at_once(stores, None, counts["at_once"]),
            "growth": growth(stores),
            "throughput": throughput(stores, counts["throughput"]),
        }
