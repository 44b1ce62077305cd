"""The conditions: a private mount namespace, file systems in memory, one configuration for each peer."""

import os
import subprocess
from pathlib import Path


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
    quietly("mount", "-t", "tmpfs", "tmpfs", work)


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

    def __exit__(self, *_):
        # Overlays that a peer keeps mounted lie below it.
        quietly("umount", "-R", self.folder)
        self.folder.rmdir()
        self.image.unlink()


def podman_configuration(folder):
    """Its default limits are above what a root without CAP_SYS_RESOURCE may ask for."""
    (folder / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "crun"\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/state"\n'
    )
    (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
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
