"""Who is measured: how each says run, exec, pull, and start and remove a container."""

import json
import os
import shutil
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

    def run(self, image):
        return [self.program, "run", "--rm", "--network", "none", f"{self.registry}/{image}", "true"]

    def start(self, image, name):
        return [self.program, "run", "-d", "--name", name, "--network", "none", f"{self.registry}/{image}", "sleep", "1000000"]

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

    def run(self, image):
        return ["podman", "run", "--rm", "--pull", "never", "--network", "none", f"{self.registry}/{image}", "true"]

    def start(self, image, name):
        return ["podman", "run", "-d", "--pull", "never", "--name", name, "--network", "none",
                f"{self.registry}/{image}", "sleep", "1000000"]

    def remove(self, name):
        return ["podman", "rm", "-f", "-t", "0", name]


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

    def run(self, _):
        return ["crun", "run", "--bundle", str(self.folder / "true"), "bench-run"]

    def start(self, _, name):
        return ["crun", "run", "--detach", "--bundle", str(self.folder / "sleep"), name]

    def exec(self, name):
        return ["crun", "exec", name, "true"]

    def remove(self, name):
        return ["crun", "delete", "--force", name]


def require(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise SystemExit(f"bench: {', '.join(missing)} missing: run scripts/setup --tests")


def isopod_at(path):
    if not os.access(path, os.X_OK):
        raise SystemExit(f"bench: {path} is no program")
    return str(Path(path).resolve())
