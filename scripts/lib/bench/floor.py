"""What pulling an image costs at least: the same bytes read, digested, inflated and written, one plain program each."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from . import machine, measure
from .rounds import GIB
from .subjects import require


def blobs(layout, image):
    """The layers' files of one image in an OCI layout."""
    def blob(descriptor):
        return Path(layout, "blobs", *descriptor["digest"].split(":"))

    index = json.loads(Path(layout, "index.json").read_text())
    for named in index["manifests"]:
        if named["annotations"]["org.opencontainers.image.ref.name"] == image:
            return [blob(layer) for layer in json.loads(blob(named).read_text())["layers"]]
    raise SystemExit(f"bench: {layout} has no image {image}")


def floor(work, count, registry, layout, image):
    """{step: figures}; `floor` is the sum of the cheapest ways of what must be done, on two processors."""
    files = blobs(layout, image)
    address = f"http://{registry}/v2/{image.partition(':')[0]}/blobs/sha256:"
    samples = {}
    require("pigz")
    with machine.FileSystem(work, "tars", 2 * GIB) as tars:
        packed = [shutil.copy(file, tars / f"{number}.gz") for number, file in enumerate(files)]
        inflaters = [program for program in ("libdeflate-gunzip", "pigz") if shutil.which(program)]
        unpacked = [tars / f"{number}.tar" for number in range(len(files))]
        steps = {
            "read from the registry": [["curl", "-sf", "-o", "/dev/null", address + file.name] for file in files],
            "sha256 of the compressed bytes": [["openssl", "dgst", "-sha256", *map(str, packed)]],
            **{f"inflate, {program}": inflating(program, packed) for program in inflaters},
            "sha256 of the tars": [["openssl", "dgst", "-sha256", *map(str, unpacked)]],
        }
        for source, target in zip(packed, unpacked):
            with open(target, "wb") as file:
                subprocess.run(["pigz", "-dc", source], stdout=file, check=True)
        for _ in range(count):
            for name, commands in steps.items():
                samples.setdefault(name, []).append(timed(commands))
            with machine.FileSystem(work, "written", 2 * GIB) as folder:
                commands = [["tar", "-xpf", str(tar), "-C", str(folder)] for tar in unpacked]
                samples.setdefault("write, GNU tar to a fresh ext4", []).append(timed(commands))
    figures = {name: measure.summary(found) for name, found in samples.items()}
    cheapest = min((name for name in figures if name.startswith("inflate")), key=lambda name: figures[name]["cpu_ms"])
    needed = [name for name in figures if name == cheapest or not name.startswith("inflate")]
    total = {key: round(sum(figures[name][key] for name in needed), 2) for key in ("wall_ms", "cpu_ms", "user_ms", "system_ms")}
    figures["floor: all of it with " + cheapest.partition(", ")[2] + ", on two processors"] = {
        key: round(value / 2, 2) if key == "wall_ms" else value for key, value in total.items()
    }
    return figures


def inflating(program, files):
    arguments = [] if program == "libdeflate-gunzip" else ["-d"]
    return [["sh", "-c", 'exec "$0" "$@" >/dev/null', program, *arguments, "-c", str(file)] for file in files]


def timed(commands):
    before, begun = measure.Used(()), time.perf_counter()
    for command in commands:
        with open(os.devnull, "wb") as nothing:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=nothing, check=True)
    wall = time.perf_counter() - begun
    return measure.Sample(wall, wall, before, measure.Used(()))
