"""The conditions: a private mount namespace, file systems in memory, one configuration for each peer."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from . import measure


def quietly(*command, **rest):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, **rest)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def prepare(work):
    """Called in a mount namespace of our own: what is mounted here is seen by no one else."""
    quietly("mount", "--make-rprivate", "/")
    # crun refuses the hybrid layout; without this entry it is plain v1.
    if os.path.ismount("/sys/fs/cgroup/unified"):
        quietly("umount", "/sys/fs/cgroup/unified")
    quietly("mount", "-t", "tmpfs", "tmpfs", "/run")
    quietly("mount", "-t", "tmpfs", "-o", "size=90%", "tmpfs", work)


def program_of(pid):
    """The file name of what a process runs, or nothing if it is gone."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def available():
    """Bytes of memory that could be had now."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    raise SystemExit("bench: /proc/meminfo does not say what memory is available")


class FileSystem:
    """A fresh ext4 on a loop file in memory: no file system's age, and no disk's, is in a figure."""

    def __init__(self, work, name, size):
        self.image, self.folder = Path(work, name + ".ext4"), Path(work, name)
        self.size = size

    def __enter__(self):
        with open(self.image, "wb") as file:
            file.truncate(self.size)
        quietly("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        self.folder.mkdir()
        quietly("mount", "-o", "loop", self.image, self.folder)
        for name in ("tmp", "root", "state"):
            (self.folder / name).mkdir()
        return self.folder

    def __exit__(self, failure, *_):
        if failure:
            # So that what is told is the failure, not that the file system is busy.
            measure.end_all()
        # Overlays that a peer keeps mounted lie below it.
        quietly("umount", "-R", *(["--lazy"] if failure else []), self.folder)
        self.folder.rmdir()
        self.image.unlink()


# Cgroups that peers make for all their containers, and leave when the last has gone.
PARENTS = ("conmon", "default", "docker", "libpod_parent")


class Cgroups:
    """Takes away the peers' cgroups that were not there before, from below; one in use stays."""

    def __enter__(self):
        self.before = set(self._parents())

    def __exit__(self, *_):
        for parent in set(self._parents()) - self.before:
            for folder, _, _ in os.walk(parent, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass

    def _parents(self):
        return [path for name in PARENTS for path in [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]]


def podman_configuration(folder):
    """Its default limits are above what a root without CAP_SYS_RESOURCE may ask for.

    The programs beside it are named, as those of its own version may be elsewhere than the system's.
    """
    engine = {"cgroup_manager": "cgroupfs", "events_logger": "file", "runtime": "crun"}
    containers, network = {}, {}
    if netavark := shutil.which("netavark"):
        engine["conmon_path"] = [shutil.which("conmon")]
        engine["helper_binaries_dir"] = [os.path.dirname(netavark)]
        containers["seccomp_profile"] = str(Path(netavark).parent.parent / "usr/share/containers/seccomp.json")
        network = {"network_backend": "netavark", "network_config_dir": str(folder / "networks")}
    limits = ["nofile=1024:1024", "nproc=1024:1024"]
    tables = {
        "containers": {"default_ulimits": limits, **containers},
        "engine": engine,
        "engine.runtimes": {"crun": [shutil.which("crun")]},
        "network": network,
    }
    # JSON's strings and lists of them are TOML's too.
    lines = [f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items()) for name, table in tables.items()]
    (folder / "containers.conf").write_text("".join(lines))
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/state"\n'
    )
    return {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }


def description():
    def first(path, key):
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return line.partition(":" if ":" in line else "=")[2].strip().strip('"')
        return ""

    return {
        "processors": os.cpu_count(),
        "processor": first("/proc/cpuinfo", "model name"),
        "memory_mib": int(first("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "kernel": os.uname().release,
        "system": first("/etc/os-release", "PRETTY_NAME"),
    }
