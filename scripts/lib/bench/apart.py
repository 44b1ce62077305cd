"""A network namespace for each engine, so that one's rules and settings are not in another's figures.

Docker's forward chain drops what is not its own, and it has bridged packets go through it.
"""

import contextlib
import ctypes
import os

from . import machine, measure, rounds
from .subjects import PATH, standing

CLONE_NEWNET = 0x40000000


def _call(function, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function)


def _own():
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Networks:
    """The namespaces, and the engines' stores with the image in them, on one file system."""

    def __init__(self, work, engines, layout):
        self.work, self.engines, self.layout = work, engines, layout
        self.home, self.of = _own(), {}
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(machine.FileSystem(self.work, "networks", 6 * rounds.GIB))
            stack.callback(self._close)
            for engine in self.engines:
                # containerd changes nothing in its namespace, and its daemon is who asks the registry.
                if engine.name != "containerd":
                    _call("unshare", CLONE_NEWNET)
                    machine.quietly("ip", "link", "set", "lo", "up")
                self.of[engine.name] = _own()
                _call("setns", self.home, CLONE_NEWNET)
            for engine in self.engines:
                with self.within(engine):
                    stack.enter_context(standing(folder, [engine]))
                self._fill(engine, folder / "image.tar")
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *failure):
        return self.stack.__exit__(*failure)

    def _close(self):
        for namespace in self.of.values():
            os.close(namespace)

    def _fill(self, engine, archive):
        """The registry is at home, where Docker's daemon is not."""
        if engine.name != "docker":
            measure.run(engine.pull(rounds.IMAGE), engine)
            return
        name = f"{engine.registry}/{rounds.IMAGE}"
        machine.quietly("skopeo", "copy", "-q", f"oci:{self.layout}:{rounds.IMAGE}", f"docker-archive:{archive}:{name}", env=PATH)
        measure.run(["docker", "load", "-q", "-i", str(archive)], engine)

    @contextlib.contextmanager
    def within(self, engine):
        """What is started here is in the engine's namespace; so is this process, for its connections."""
        _call("setns", self.of[engine.name], CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", self.home, CLONE_NEWNET)
