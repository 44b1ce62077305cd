"""Peers with a daemon, which is started with the store and stopped by its id."""

import os
import subprocess
import time

from . import machine, measure
from .subjects import PATH, Isopod, first_line, on


class Daemon(Isopod):
    """Its daemon, and what that keeps beside it, is a resident."""

    # Put before the daemon's own command.
    tracer = ()

    def __init__(self, program, registry, hosts=None):
        super().__init__(program, registry, hosts)
        self.daemon = None

    def start_daemon(self, command, ready):
        """Starts it, and waits until the command `ready` succeeds."""
        with open(os.environ["BENCH_LOG"], "a") as log:
            self.daemon = subprocess.Popen([*self.tracer, *command], env=PATH, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        measure.daemons.add(self.daemon.pid)
        end = time.monotonic() + 30
        while subprocess.run(ready, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True).returncode != 0:
            if time.monotonic() > end or self.daemon.poll() is not None:
                raise SystemExit(f"bench: {command[0]} does not answer; see {os.environ['BENCH_LOG']}")
            time.sleep(0.05)

    def resident(self):
        return frozenset([self.daemon.pid] if self.daemon else [])

    def stop(self):
        if self.daemon:
            # A tracer hands no signal on.
            told = [pid for pid in measure.tree(self.daemon.pid)[1:2] if self.tracer]
            for pid in told or [self.daemon.pid]:
                os.kill(pid, 15)
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                for pid in reversed(measure.tree(self.daemon.pid)):
                    os.kill(pid, 9)
                self.daemon.wait()
            measure.daemons.discard(self.daemon.pid)
            self.daemon = None

    def monitors(self):
        """Shims, whoever is their parent."""
        return {pid for pid in measure.tree(os.getpid()) if machine.program_of(pid) == "containerd-shim-runc-v2"}


class Docker(Daemon):
    name = "docker"
    offline = ["--pull", "never"]

    def __init__(self, registry):
        super().__init__("docker", registry)

    def version(self):
        return first_line("docker", "--version")

    def on(self, folder):
        socket = f"unix://{folder}/docker.sock"
        self.environment = {**PATH, "TMPDIR": str(folder / "tmp"), "DOCKER_HOST": socket, "DOCKER_CONFIG": str(folder / "tmp")}
        self.start_daemon(
            ["dockerd", "--config-file", str(empty(folder / "daemon.json", "{}")),
             "--data-root", str(folder / "root"), "--exec-root", str(folder / "state"),
             "--pidfile", str(folder / "docker.pid"), "-H", socket,
             "--exec-opt", "native.cgroupdriver=cgroupfs", "--storage-driver", "overlay2"],
            ["docker", "info"])
        return self


class Containerd(Daemon):
    """By its own client, which knows no names: a container's id is its name, an image's the whole reference."""

    name = "containerd"

    def __init__(self, registry, hosts):
        super().__init__("ctr", registry, hosts)

    def version(self):
        # The daemon and its runtime; "v2" is part of its import path, not of its version.
        words = machine.quietly("containerd", "--version", env=PATH).split()
        return f"containerd {words[2].partition('+')[0].lstrip('v')}, {first_line('runc', '--version')}"

    def on(self, folder):
        self.environment = {**PATH, "TMPDIR": str(folder / "tmp"), "CONTAINERD_ADDRESS": str(folder / "c.sock")}
        # Both forms of the settings' file know these; what serves Kubernetes is left out.
        configuration = empty(folder / "config.toml", (
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]\n'
            f'[grpc]\naddress = "{folder}/c.sock"\n[ttrpc]\naddress = "{folder}/c.ttrpc"\n'
        ))
        self.start_daemon(["containerd", "--config", str(configuration)], ["ctr", "version"])
        return self

    def pull(self, image):
        return ["ctr", "images", "pull", "--hosts-dir", self.hosts, f"{self.registry}/{image}"]

    def run(self, image, network="none"):
        return ["ctr", "run", "--rm", *joined(network), f"{self.registry}/{image}", "bench-run", "true"]

    def start(self, image, name, network="none", command=("sleep", "1000000"), options=()):
        return ["ctr", "run", "-d", *joined(network), f"{self.registry}/{image}", name, *command]

    def exec(self, name):
        return ["ctr", "task", "exec", "--exec-id", "bench-exec", name, "true"]

    def remove(self, *names):
        return ["sh", "-c", 'ctr task rm -f "$@" && ctr container rm "$@"', "sh", *names]


class ContainerdSynced(Containerd):
    """What it unpacked is on the disk before it says so, as with Isopod; by itself it leaves that to the kernel."""

    name = "containerd-sync-fs"

    def pull(self, image):
        # Its transfer service, the default, does not know the flag.
        return ["ctr", "images", "pull", "--local", "--sync-fs", "--hosts-dir", self.hosts, f"{self.registry}/{image}"]


def joined(network):
    """A network namespace of its own is what its client gives unasked."""
    if network not in ("none", "host"):
        raise ValueError(f"ctr makes no network {on(network)}")
    return ["--net-host"] if network == "host" else []


def empty(path, content):
    path.write_text(content)
    return path
