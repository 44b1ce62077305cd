"""OCI runtimes on one bundle: crun, runc, and Isopod by that name."""

import json
import os
import subprocess
import time

from . import machine, measure
from .subjects import PATH, Subject, first_line


class Runtime(Subject):
    """A runtime's own root folder; the bundles are shared."""

    def __init__(self, name, program):
        self.name, self.program = name, str(program)

    def version(self):
        return first_line(self.program, "--version")

    def on(self, folder):
        self.environment = {**PATH, "TMPDIR": str(folder / "tmp")}
        self.state, self.bundles = folder / "state", folder.parent / "bundles"
        return self

    def _command(self, *rest):
        return [self.program, "--root", str(self.state), *rest]

    def run(self, _=None, network="none"):
        return self._command("run", "--bundle", str(self.bundles / "true"), "bench-run")

    def start(self, _, name, network="none"):
        return self._command("run", "--detach", "--bundle", str(self.bundles / "sleep"), name)

    def create(self, name, pid_file):
        return self._command("create", "--bundle", str(self.bundles / "true"), "--pid-file", str(pid_file), name)

    def go(self, name):
        return self._command("start", name)

    def delete(self, name):
        return self._command("delete", name)

    def exec(self, name):
        return self._command("exec", name, "true")

    def remove(self, *names):
        return self._command("delete", "--force", *names)


def make(folder, layout, image):
    """Two bundles over one root, unpacked by umoci: `true`, and `sleep`."""
    folder.mkdir()
    copy = folder / "copy"
    machine.quietly("skopeo", "copy", "-q", f"oci:{layout}:{image}", f"oci:{copy}:bench")
    machine.quietly("umoci", "unpack", "--image", f"{copy}:bench", folder / "true")
    for name, command in (("true", ["true"]), ("sleep", ["sleep", "1000000"])):
        bundle = folder / name
        bundle.mkdir(exist_ok=True)
        (bundle / "config.json").unlink(missing_ok=True)
        machine.quietly("crun", "spec", cwd=bundle)
        spec = json.loads((bundle / "config.json").read_text())
        spec["process"].update(terminal=False, args=command)
        spec["process"].pop("rlimits", None)
        spec["root"] = {"path": str(folder / "true/rootfs"), "readonly": False}
        (bundle / "config.json").write_text(json.dumps(spec))


def ours(isopod, folder):
    """Isopod by the name `runc`, or what it says if it has no such command line."""
    link = folder / "runc"
    link.symlink_to(isopod)
    told = subprocess.run([link, "--version"], env=PATH, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if told.returncode != 0:
        return None, told.stderr.partition("\n")[0]
    return Runtime("isopod", link), None


def cycle(runtime, how):
    """create, start, wait until its process has ended, delete; `how` is not asked, all four are one sample."""
    pid_file = runtime.state / "bench-cycle.pid"
    before, begun = measure.Used(()), time.perf_counter()
    measure.call(runtime.create("bench-cycle", pid_file), runtime.environment)
    container = int(pid_file.read_text())
    starting = subprocess.Popen(runtime.go("bench-cycle"), env=runtime.environment, stdin=subprocess.DEVNULL)
    # The container's process has become our child, as it would be a shim's.
    left = {container, starting.pid}
    while left:
        ended, status = os.wait()
        left.discard(ended)
        if ended == starting.pid and status != 0:
            raise SystemExit(f"bench: {runtime.name} start ended with {os.waitstatus_to_exitcode(status)}")
    starting.returncode = 0
    measure.call(runtime.delete("bench-cycle"), runtime.environment)
    wall = time.perf_counter() - begun
    measure.settle(frozenset())
    pid_file.unlink()
    return measure.Sample(wall, time.perf_counter() - begun, before, measure.Used(()))
