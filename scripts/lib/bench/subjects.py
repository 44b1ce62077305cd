"""Who is measured: how each says run, exec, pull, and start and remove a container."""

import contextlib
import os
import shutil
from pathlib import Path

from . import machine, measure

PATH = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"}


class Subject:
    """Without a daemon, unless one says otherwise."""

    environment = PATH

    def resident(self):
        """The processes that stand between commands."""
        return frozenset()

    def stop(self):
        pass


class Isopod(Subject):
    name = "isopod"

    def __init__(self, program, registry, hosts):
        self.program, self.registry, self.hosts = program, registry, hosts

    def version(self):
        return machine.quietly(self.program, "--version", env=PATH).strip()

    def on(self, folder):
        self.environment = {
            **PATH,
            "TMPDIR": str(folder / "tmp"),
            "ISOPOD_ROOT": str(folder / "root"),
            "ISOPOD_STATE": str(folder / "state"),
            "ISOPOD_HOSTS_DIR": self.hosts,
        }
        return self

    def pull(self, image):
        return [self.program, "pull", "-q", f"{self.registry}/{image}"]

    # What `run` needs so that nothing asks the registry.
    offline = []

    def run(self, image, network="none"):
        return [self.program, "run", "--rm", *self.offline, *on(network), f"{self.registry}/{image}", "true"]

    def start(self, image, name, network="none", command=("sleep", "1000000"), options=()):
        return [self.program, "run", "-d", *self.offline, "--name", name, *on(network), *options,
                f"{self.registry}/{image}", *command]

    def pid(self, name):
        return [self.program, "inspect", "--format", "{{.State.Pid}}", name]

    def exec(self, name):
        return [self.program, "exec", name, "true"]

    def remove(self, *names):
        return [self.program, "rm", "-f", *names]

    def monitors(self):
        """The processes that stay beside containers, one for each."""
        return measure.children() - measure.daemons


class Podman(Isopod):
    name = "podman"

    def __init__(self, registry):
        super().__init__("podman", registry, None)

    def version(self):
        said = [first_line("podman", "--version"), first_line("conmon", "--version")]
        if shutil.which("netavark"):
            said.append(first_line("netavark", "--version"))
        return ", ".join(said)

    def on(self, folder):
        self.environment = {**PATH, "TMPDIR": str(folder / "tmp"), **machine.podman_configuration(folder)}
        return self

    def pull(self, image):
        return ["podman", "pull", "-q", "--tls-verify=false", f"{self.registry}/{image}"]

    offline = ["--pull", "never"]

    def remove(self, *names):
        return ["podman", "rm", "-f", "-t", "0", *names]


@contextlib.contextmanager
def standing(folder, subjects):
    """Each subject on a folder of its own, its daemon running if it has one."""
    with contextlib.ExitStack() as stack:
        for subject in subjects:
            own = folder / subject.name
            for name in ("tmp", "root", "state"):
                (own / name).mkdir(parents=True, exist_ok=True)
            stack.callback(subject.stop)
            subject.on(own)
        yield


def on(network):
    """`None`: the default bridge."""
    return [] if network is None else ["--network", network]


def first_line(*command):
    """What a program says of its version, in as few words as possible."""
    words = machine.quietly(*command, env=PATH).splitlines()[0].replace(",", "").split()
    name, *rest = [word for word in words if word.lower() != "version"]
    number = next(word for word in rest if word[:1].isdigit() or word[:1] == "v" and word[1:2].isdigit())
    return f"{name.lower()} {number.partition('+')[0]}"


def require(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise SystemExit(f"bench: {', '.join(missing)} missing: run scripts/setup --tests")


def isopod_at(path):
    if not os.access(path, os.X_OK):
        raise SystemExit(f"bench: {path} is no program")
    return str(Path(path).resolve())
