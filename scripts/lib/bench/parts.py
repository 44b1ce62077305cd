"""The parts of the benchmark: who takes part in each, and how many rounds it has."""

import shutil
from pathlib import Path

from . import bundles, floor, machine, network, pulls, rounds, threads
from .daemons import Containerd, ContainerdSynced, Docker
from .subjects import Isopod, Podman, require

SHORT = {"run": 7, "runtime": 7, "pull": 3, "big": 1, "floor": 1, "monitors": 20, "bridge": 7, "publish": 3, "at_once": 1, "throughput": 1}
LONG = {"run": 30, "runtime": 40, "pull": 5, "big": 3, "floor": 2, "monitors": 50, "bridge": 30, "publish": 15, "at_once": 3, "throughput": 2}
# The parts with several numbers of rounds.
ROUNDS = {"big": ["big", "floor"], "network": ["bridge", "publish", "at_once", "throughput"]}
# Memory that the largest layer takes on its file system, and some for all else.
ROOM_FOR_LAYER = 16 * rounds.GIB


class Parts:
    """Each method is a part, and gives its figures."""

    names = ("run", "runtime", "pull", "big", "layer", "monitors", "network")
    # What the short form leaves out unless it is asked for.
    long_only = ("big", "layer")

    def __init__(self, work, fixtures, layouts, isopod, count, daemons):
        self.work, self.count, self.fixtures = work, count, fixtures
        self.layouts = {Path(layout).name: layout for layout in layouts}
        self.registry = fixtures["registries"]["plain"]["address"]
        hosts = fixtures["hosts_dir"]
        self.ours = [Isopod(isopod, self.registry, hosts)] if isopod else []
        self.podman = Podman(self.registry)
        self.daemons = [Containerd(self.registry, hosts), Docker(self.registry)] if daemons else []
        self.engines = [*self.ours, self.podman, *self.daemons]
        self.pullers = [*self.engines, *([ContainerdSynced(self.registry, hosts)] if daemons else [])]
        self.crun = bundles.Runtime("crun", "crun")
        self.skipped = {}

    def run(self):
        return rounds.run_and_exec(self.work, self.count["run"], self.engines, [self.crun], self.layouts["bench"])

    def runtime(self):
        everyone = [self.crun, bundles.Runtime("runc", "runc")]
        for isopod in self.ours:
            ours, why = bundles.ours(isopod.program, Path(self.work))
            if ours is None:
                self.skipped["runtime"] = f"isopod is not in it: {why}"
            else:
                everyone.insert(0, ours)
        return rounds.runtimes(self.work, self.count["runtime"], everyone, self.layouts["bench"])

    def pull(self):
        return {
            "pull": pulls.pull(self.work, self.count["pull"], self.pullers, pulls.REDIS),
            "syncs": pulls.syncs(self.work, self.pullers, pulls.REDIS),
        }

    def big(self):
        require("curl", "openssl")
        layout = self.layouts["bench-big"]
        return {
            "big": pulls.pull(self.work, self.count["big"], self.pullers, pulls.BIG),
            "floor": floor.floor(self.work, self.count["floor"], self.registry, layout, pulls.BIG),
            "threads": {
                engine.name: pulls.once(self.work, engine, pulls.BIG, threads.used_by_threads) for engine in self.ours
            },
        }

    def layer(self):
        if not self.ours:
            self.skipped["layer"] = "it measures Isopod only"
            return {}
        if machine.available() < ROOM_FOR_LAYER:
            self.skipped["layer"] = f"it needs {ROOM_FOR_LAYER // rounds.GIB} GiB of memory, of which {machine.available() / rounds.GIB:.1f} are available"
            return {}
        return pulls.layers(self.work, self.ours[0])

    def monitors(self):
        return rounds.monitors(self.work, self.count["monitors"], self.engines)

    def network(self):
        require("ip", "iperf3", "nsenter", "ss")
        return network.all_of(self.work, self.count, self.engines, self.layouts["bench"])

    def rounds(self, part):
        """The numbers of rounds of what it measures."""
        return {name: self.count[name] for name in ROUNDS.get(part, [part]) if name in self.count}

    def versions(self, part):
        """{subject: version} of those who take part."""
        there = {"runtime": [*self.ours, self.crun], "run": [*self.engines, self.crun], "layer": self.ours}.get(part, self.engines)
        told = {subject.name: subject.version() for subject in there}
        if part == "runtime":
            told["runc"] = bundles.Runtime("runc", "runc").version()
        if part == "big" and shutil.which("libdeflate-gunzip"):
            told["libdeflate"] = "libdeflate " + machine.quietly("libdeflate-gunzip", "-V").splitlines()[0].rpartition(" v")[2]
        return told
