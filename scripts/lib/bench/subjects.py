"""Who is measured: how each says run, exec, pull, and start and remove a container."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from . import machine

PATH = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"}


class Isopod:
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

    def remove(self, name):
        return [self.program, "rm", "-f", name]


class Podman(Isopod):
    name = "podman"

    def __init__(self, registry):
        super().__init__("podman", registry, None)

    def version(self):
        conmon = machine.quietly("conmon", "--version").splitlines()[0].replace(" version", "")
        return f"{machine.quietly('podman', '--version').strip().replace(' version', '')}, {conmon}"

    def on(self, folder):
        self.environment = {**PATH, "TMPDIR": str(folder / "tmp"), **machine.podman_configuration(folder)}
        return self

    def pull(self, image):
        return ["podman", "pull", "-q", "--tls-verify=false", f"{self.registry}/{image}"]

    offline = ["--pull", "never"]

    def remove(self, name):
        return ["podman", "rm", "-f", "-t", "0", name]


class Docker(Isopod):
    """Its daemon is started with the store, and counts as a resident."""

    name = "docker"
    offline = ["--pull", "never"]

    def __init__(self, registry):
        super().__init__("docker", registry, None)
        self.daemon = None

    def version(self):
        return machine.quietly("docker", "--version").strip().replace(" version", "").partition(",")[0]

    def on(self, folder):
        self.environment = {**PATH, "TMPDIR": str(folder / "tmp"), "DOCKER_HOST": f"unix://{folder}/docker.sock"}
        with open(os.environ["BENCH_LOG"], "a") as log:
            self.daemon = subprocess.Popen(
                ["dockerd", "--data-root", str(folder / "root"), "--exec-root", str(folder / "state"),
                 "--pidfile", str(folder / "docker.pid"), "-H", f"unix://{folder}/docker.sock",
                 "--exec-opt", "native.cgroupdriver=cgroupfs", "--storage-driver", "overlay2"],
                env=PATH, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while subprocess.run(["docker", "info"], env=self.environment, capture_output=True).returncode != 0:
            if time.monotonic() > end or self.daemon.poll() is not None:
                raise SystemExit(f"bench: dockerd does not answer; see {os.environ['BENCH_LOG']}")
            time.sleep(0.1)
        return self

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait()


class Crun:
    """The bare runtime on a ready root: what running a container costs at least."""

    name = "crun"

    def version(self):
        return machine.quietly("crun", "--version").splitlines()[0].replace(" version", "")

    def on(self, folder):
        self.environment, self.folder = dict(PATH), folder
        return self

    def prepare(self, layout, image):
        """Two bundles over one root, unpacked by umoci: `true`, and `sleep`."""
        copy = self.folder / "copy"
        machine.quietly("skopeo", "copy", "-q", f"oci:{layout}:{image}", f"oci:{copy}:bench")
        machine.quietly("umoci", "unpack", "--image", f"{copy}:bench", self.folder / "true")
        for name, command in (("true", ["true"]), ("sleep", ["sleep", "1000000"])):
            bundle = self.folder / name
            bundle.mkdir(exist_ok=True)
            (bundle / "config.json").unlink(missing_ok=True)
            machine.quietly("crun", "spec", cwd=bundle)
            spec = json.loads((bundle / "config.json").read_text())
            spec["process"].update(terminal=False, args=command)
            spec["process"].pop("rlimits", None)
            spec["root"] = {"path": str(self.folder / "true/rootfs"), "readonly": False}
            (bundle / "config.json").write_text(json.dumps(spec))

    def run(self, _, network="none"):
        return ["crun", "run", "--bundle", str(self.folder / "true"), "bench-run"]

    def start(self, _, name, network="none"):
        return ["crun", "run", "--detach", "--bundle", str(self.folder / "sleep"), name]

    def exec(self, name):
        return ["crun", "exec", name, "true"]

    def remove(self, name):
        return ["crun", "delete", "--force", name]


def on(network):
    """`None`: the default bridge."""
    return [] if network is None else ["--network", network]


def require(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise SystemExit(f"bench: {', '.join(missing)} missing: run scripts/setup --tests")


def isopod_at(path):
    if not os.access(path, os.X_OK):
        raise SystemExit(f"bench: {path} is no program")
    return str(Path(path).resolve())
