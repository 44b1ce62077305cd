"""What Debian's packages give: the programs, and the shared libraries they need."""

import os
import re
import subprocess
from pathlib import Path


class Debian:
    """A folder with unpacked packages (see scripts/lib/packages.sh)."""

    def __init__(self, root):
        self.root = Path(root)

    def read(self, path):
        return self._resolve(path).read_bytes()

    def files(self, folder):
        """Paths of all regular files below a folder of the packages."""
        return [str(path.relative_to(self.root)) for path in sorted((self.root / folder).rglob("*")) if path.is_file()]

    def version(self, package):
        for line in (self.root / "versions").read_text().splitlines():
            name, version = line.split()
            if name == package:
                return re.sub(r"^\d+:|[-+].*$", "", version)
        raise KeyError(package)

    def applets(self):
        listed = subprocess.run([self._resolve("bin/busybox"), "--list"], capture_output=True, text=True, check=True)
        return sorted(set(listed.stdout.split()) - {"busybox"})

    def _resolve(self, path):
        """Follows symbolic links inside the root only."""
        for _ in range(8):
            full = self.root / path.lstrip("/")
            if not full.is_symlink():
                return full
            target = os.readlink(full)
            path = target if target.startswith("/") else os.path.join(os.path.dirname(path), target)
        raise OSError(f"too many symbolic links at {path}")

    def _dynamic(self, path):
        """The interpreter and the needed libraries of one ELF file."""
        told = subprocess.run(["readelf", "-Wld", self._resolve(path)], capture_output=True, text=True, check=True)
        loader = re.findall(r"program interpreter: ([^\]]+)\]", told.stdout)
        return loader, re.findall(r"\(NEEDED\).*\[([^\]]+)\]", told.stdout)

    def libraries(self, *programs):
        """{path in the image: bytes} of the loader and every library the programs need."""
        found, queue = {}, list(programs)
        while queue:
            loaders, needed = self._dynamic(queue.pop())
            for path in loaders:
                found.setdefault(path.lstrip("/"), self.read(path))
            for name in needed:
                path = self._library(name)
                if path not in found:
                    found[path] = self.read(path)
                    queue.append(path)
        return dict(sorted(found.items()))

    def _library(self, name):
        for folder in ("lib", "usr/lib"):
            for path in sorted((self.root / folder).glob("*-linux-gnu*/" + name)):
                return str(path.relative_to(self.root))
        for path in sorted((self.root / "lib64").glob(name)):
            return str(path.relative_to(self.root))
        raise FileNotFoundError(f"{name} is in none of the unpacked packages")
