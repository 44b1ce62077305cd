"""What stays beside containers: private and proportional memory."""

import os

from .measure import median


def with_own_children(pid):
    """A monitor and those of its children that run its own program (a guard), not the container's."""
    program = os.readlink(f"/proc/{pid}/exe")
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = [int(child) for child in file.read().split()]
    return [pid] + [child for child in children if os.readlink(f"/proc/{child}/exe") == program]


def memory_of(monitors):
    """Private and proportional memory of what stays beside one container, and of the memfds it runs from or holds."""
    private, proportional, memfds, processes = [], [], {}, 0
    for monitor in monitors:
        together = with_own_children(monitor)
        processes += len(together)
        uss, pss = 0, 0
        for pid in together:
            fields = {}
            with open(f"/proc/{pid}/smaps_rollup") as file:
                for line in file:
                    name, _, rest = line.partition(":")
                    if rest.strip().endswith("kB"):
                        fields[name] = int(rest.split()[0]) * 1024
            uss += fields["Private_Clean"] + fields["Private_Dirty"]
            pss += fields["Pss"]
            for link in [f"/proc/{pid}/exe"] + [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]:
                if os.readlink(link).startswith("/memfd:"):
                    status = os.stat(link)
                    memfds[status.st_ino] = status.st_blocks * 512
        private.append(uss)
        proportional.append(pss)
    return {
        "processes": processes,
        "uss_mib": round(median(private) / 2**20, 3),
        "pss_mib": round(median(proportional) / 2**20, 3),
        "memfd_mib_each": round(sum(memfds.values()) / len(monitors) / 2**20, 3),
    }
