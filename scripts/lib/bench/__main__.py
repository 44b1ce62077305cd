"""Started by scripts/bench, inside a mount and a network namespace of its own."""

import argparse
import datetime
import hashlib
import json
import os
import signal
import sys
import time

from . import machine, measure, report
from .parts import LONG, SHORT, Parts
from .results import Results
from .subjects import isopod_at, require

parser = argparse.ArgumentParser()
parser.add_argument("--report", help="print the tables of this file, and do nothing else")
parser.add_argument("--work")
parser.add_argument("--fixtures")
parser.add_argument("--layout", action="append", default=[])
parser.add_argument("--isopod")
parser.add_argument("--json")
parser.add_argument("--commit", default="unknown")
parser.add_argument("--short", action="store_true")
parser.add_argument("--only", action="append")
parser.add_argument("--daemons", action="store_true")
parser.add_argument("--resume", action="store_true")
options = parser.parse_args()

if options.report:
    with open(options.report) as file:
        print(report.markdown(json.load(file)))
    sys.exit()

require("busybox", "crun", "podman", "conmon", "skopeo", "umoci", "strace", "mkfs.ext4")
with open(options.fixtures) as file:
    fixtures = json.load(file)
count = SHORT if options.short else LONG
isopod = isopod_at(options.isopod) if options.isopod else None
wanted = options.only or [part for part in Parts.names if not (options.short and part in Parts.long_only)]

# Asked to end, it cleans up as after any failure.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended by request"))
with machine.Cgroups():
    machine.prepare(options.work)
    os.environ["BENCH_LOG"] = os.path.join(options.work, "bench.log")
    measure.adopt_orphans()
    parts = Parts(options.work, fixtures, options.layout, isopod, count, options.daemons)
    results = Results(options.json, {
        "date": datetime.date.today().isoformat(), "commit": options.commit, "machine": machine.description(),
    })
    conditions = {"form": "short" if options.short else "long", "commit": options.commit}
    if isopod:
        with open(isopod, "rb") as file:
            conditions["binary"] = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        for part in [part for part in Parts.names if part in wanted]:
            versions = parts.versions(part)
            if options.resume and results.has(part, {**conditions, "versions": versions}):
                print(f"==> {part} is there", file=sys.stderr)
                continue
            print(f"==> {part}", file=sys.stderr)
            begun = time.monotonic()
            figures = getattr(parts, part)()
            took = {"seconds": round(time.monotonic() - begun), "load": round(os.getloadavg()[0], 1)}
            kept = {**conditions, "versions": versions, **took}
            results.add(part, kept, figures, versions, parts.rounds(part), parts.skipped.get(part))
    finally:
        measure.end_all()

print(report.markdown(results.all))
