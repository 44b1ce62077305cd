"""Started by scripts/bench, inside a mount namespace of its own."""

import argparse
import datetime
import json
import os

from . import machine, measure, network, report, rounds
from .subjects import Crun, Docker, Isopod, Podman, isopod_at, require

parser = argparse.ArgumentParser()
parser.add_argument("--work", required=True)
parser.add_argument("--fixtures", required=True)
parser.add_argument("--isopod")
parser.add_argument("--json")
parser.add_argument("--commit", default="unknown")
parser.add_argument("--short", action="store_true")
parser.add_argument("--only", action="append")
parser.add_argument("--docker", action="store_true")
options = parser.parse_args()

require("busybox", "crun", "podman", "conmon", "skopeo", "umoci", "mkfs.ext4")
with open(options.fixtures) as file:
    fixtures = json.load(file)
registry = fixtures["registries"]["plain"]["address"]
ours = [Isopod(isopod_at(options.isopod), registry, fixtures["hosts_dir"])] if options.isopod else []
peers = [Podman(registry)]
short = {"run": 7, "pull": 3, "monitors": 20, "publish": 3, "at_once": 1, "throughput": 1}
long = {"run": 40, "pull": 9, "monitors": 50, "publish": 20, "at_once": 5, "throughput": 5}
count = short if options.short else long
wanted = options.only or ["run", "pull", "monitors", "network"]

machine.prepare(options.work)
os.environ["BENCH_LOG"] = os.path.join(options.work, "bench.log")
measure.adopt_orphans()
everyone = ours + [Crun()] + peers

figures = {}
if "run" in wanted:
    figures["run"], figures["exec"] = rounds.run_and_exec(options.work, count["run"], everyone, fixtures["layout"])
if "pull" in wanted:
    figures["pull"] = rounds.pull(options.work, count["pull"], ours + peers)
if "monitors" in wanted:
    figures["monitors"] = rounds.monitors(options.work, count["monitors"], ours + peers)
# Last: it leaves the network, and with it the registry.
if "network" in wanted:
    require("ip", "iperf3", "nsenter", "ss")
    others = [Docker(registry)] if options.docker else []
    figures.update(network.all_of(options.work, count, ours + peers + others))
    everyone += others

result = {
    "date": datetime.date.today().isoformat(),
    "commit": options.commit,
    "machine": machine.description(),
    "versions": {subject.name: subject.version() for subject in everyone},
    "rounds": count,
    "figures": figures,
}
print(report.markdown(result))
if options.json:
    with open(options.json, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
