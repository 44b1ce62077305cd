"""Containers on the default bridge: run, publish, many at once, growth, throughput.

The bridges, rules and forwarding of each are in a network namespace of its own, and go with it.
"""

import concurrent.futures
import http.client
import json
import os
import random
import subprocess
import time

from . import machine, measure, rounds
from .apart import Networks

WEB = ("httpd", "-f", "-p", "80", "-h", "/etc")
SOME = 50
MANY = 100


def remove(engine, *names):
    measure.call(engine.remove(*names), engine.environment)


def run(networks, engines, count):
    """`run --rm busybox true` on the default bridge."""

    def one(engine, how):
        with networks.within(engine):
            return how(engine.run(rounds.IMAGE, None), engine)

    return rounds.rounds(count, engines, one)


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


def publish(networks, engines, count):
    """`run -d -p` until the port answers, and `rm -f` of it."""
    started = {engine.name: [] for engine in engines}
    removed = {engine.name: [] for engine in engines}
    for turn in range(count + 1):
        for engine in random.sample(engines, len(engines)):
            with networks.within(engine):
                port = 20000 + turn
                command = engine.start(rounds.IMAGE, "bench-web", None, WEB, ["-p", f"{port}:80"])
                begun = time.perf_counter()
                measure.call(command, engine.environment)
                answers(port)
                between = time.perf_counter()
                remove(engine, "bench-web")
                if turn > 0:
                    started[engine.name].append(between - begun)
                    removed[engine.name].append(time.perf_counter() - between)
                measure.settle(frozenset())
    return {
        name: {
            "wall_ms": round(measure.median(started[name]) * 1e3, 2),
            "wall_min_ms": round(min(started[name]) * 1e3, 2),
            "remove_ms": round(measure.median(removed[name]) * 1e3, 2),
        }
        for name in started
    }


def at_once(networks, engines, network, count):
    """Starts fifty containers at once, as many commands as there are containers; then removes them with one."""
    started = {engine.name: [] for engine in engines}
    removed = {engine.name: [] for engine in engines}
    for _ in range(count):
        for engine in random.sample(engines, len(engines)):
            with networks.within(engine):
                names = [f"bench-{number}" for number in range(SOME)]
                begun = time.perf_counter()
                with open(os.environ["BENCH_LOG"], "ab") as log:
                    commands = [
                        subprocess.Popen(engine.start(rounds.IMAGE, name, network), env=engine.environment,
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                        for name in names
                    ]
                    with concurrent.futures.ThreadPoolExecutor(SOME) as waiting:
                        codes = list(waiting.map(lambda command: command.wait(), commands))
                between = time.perf_counter()
                if any(codes):
                    raise SystemExit(f"bench: {sum(map(bool, codes))} of {SOME} starts of {engine.name} failed; see the log")
                remove(engine, *names)
                started[engine.name].append(between - begun)
                removed[engine.name].append(time.perf_counter() - between)
                measure.settle(frozenset())
    return {
        name: {
            "start_s": round(measure.median(started[name]), 3),
            "remove_s": round(measure.median(removed[name]), 3),
        }
        for name in started
    }


def growth(networks, engines):
    """The hundredth container with a published port beside the first: medians of nine at each end."""
    found = {}
    for engine in engines:
        with networks.within(engine):
            times = []
            names = [f"bench-{number}" for number in range(MANY + 9)]
            for number, name in enumerate(names):
                command = engine.start(rounds.IMAGE, name, None, ("sleep", "1000000"), ["-p", f"{21000 + number}:80"])
                begun = time.perf_counter()
                measure.call(command, engine.environment)
                times.append(time.perf_counter() - begun)
            remove(engine, *names)
            measure.settle(frozenset())
            first, last = measure.median(times[:9]), measure.median(times[-9:])
            found[engine.name] = {
                "first_ms": round(first * 1e3, 2), "hundredth_ms": round(last * 1e3, 2), "growth": round(last / first, 3),
            }
    return found


def throughput(networks, engines, count):
    """iperf3 from one container to another over the default bridge; the host's program, in their namespaces."""
    found = {engine.name: [] for engine in engines}
    for _ in range(count):
        for engine in random.sample(engines, len(engines)):
            with networks.within(engine):
                pids = []
                for name in ("bench-server", "bench-client"):
                    measure.call(engine.start(rounds.IMAGE, name, None), engine.environment)
                    asked = subprocess.run(engine.pid(name), env=engine.environment, capture_output=True, text=True, check=True)
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
                report = json.loads(machine.quietly("nsenter", "-n", "-t", pids[1], "iperf3", "-J", "-t", "3", "-c", address, timeout=20))
                server.wait()
                found[engine.name].append(report["end"]["sum_received"]["bits_per_second"])
                remove(engine, "bench-server", "bench-client")
                measure.settle(frozenset())
    return {name: {"gbit": round(measure.median(values) / 1e9, 2)} for name, values in found.items()}


def all_of(work, counts, engines, layout):
    """What has no networks of its own (ctr) only starts many without any."""
    connected = [engine for engine in engines if engine.name != "containerd"]
    with Networks(work, engines, layout) as networks:
        return {
            "bridge": run(networks, connected, counts["bridge"]),
            "publish": publish(networks, connected, counts["publish"]),
            "at_once_none": at_once(networks, engines, "none", counts["at_once"]),
            "at_once_bridge": at_once(networks, connected, None, counts["at_once"]),
            "growth": growth(networks, connected),
            "throughput": throughput(networks, connected, counts["throughput"]),
        }
