"""One command, measured: time, processor time of everything it started, peak memory."""

import ctypes
import os
import resource
import statistics
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Monitors that outlive their starter become our children: their processor time reaches us."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children():
    """The ids of our direct children, adopted ones too."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {int(pid) for pid in file.read().split()}


def on_processor(pids):
    """Seconds these processes have run so far, all their threads (schedstat, nanoseconds)."""
    total = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                    total += int(file.read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


def _used_by_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Sample:
    """In seconds: `wall` until the command ended, `settled` until nothing it started was left, `cpu` of all of it."""

    def __init__(self, wall, settled, cpu):
        self.wall, self.settled, self.cpu = wall, settled, cpu


def call(command, environment):
    """Runs a command until it ends, not until what it started has ended.

    What it orphans is reaped meanwhile: podman waits for its conmon to be gone, not dead.
    """
    with open(os.environ["BENCH_LOG"], "a+b") as log:
        log.seek(0, os.SEEK_END)
        at = log.tell()
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        ended = status = None
        while ended != child.pid:
            ended, status = os.wait()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            log.seek(at)
            raise SystemExit(f"bench: {' '.join(command)} ended with {child.returncode}:\n{log.read().decode()}")


def run(command, environment, resident=frozenset()):
    """Runs a command to its end, and waits for what it left, but for `resident` processes, whose time counts too."""
    before = _used_by_children() + on_processor(resident)
    start = time.perf_counter()
    call(command, environment)
    wall = time.perf_counter() - start
    settle(resident)
    settled = time.perf_counter() - start
    return Sample(wall, settled, _used_by_children() + on_processor(resident) - before)


def peak(command, environment, resident=frozenset()):
    """Runs a command like `run`; gives the peak memory of its largest process in bytes.

    A process keeps the peak of the image it was before exec, here an interpreter's: so
    the command is started, and waited for, by something small.
    """
    told = os.environ["BENCH_LOG"] + ".peak"
    call(["busybox", "time", "-f", "%M", "-o", told, *command], environment)
    settle(resident)
    with open(told) as file:
        # Its %M takes the kernel's KiB for pages, and multiplies.
        return int(file.read().split()[-1]) * 1024 // (os.sysconf("SC_PAGE_SIZE") // 1024)


def settle(resident, limit=20.0):
    """Reaps what is adopted until only residents are left."""
    end = time.monotonic() + limit
    while children() - set(resident):
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG) is None:
            if time.monotonic() > end:
                raise SystemExit(f"bench: processes {children() - set(resident)} stay after their command")
            time.sleep(0.0005)


def median(values):
    return statistics.median(values)


def summary(samples, peak):
    """Medians of a list of samples, the spread of the time, and the peak of one more run."""
    walls = [sample.wall for sample in samples]
    return {
        "rounds": len(samples),
        "wall_ms": round(median(walls) * 1e3, 2),
        "wall_min_ms": round(min(walls) * 1e3, 2),
        "wall_max_ms": round(max(walls) * 1e3, 2),
        "settled_ms": round(median([sample.settled for sample in samples]) * 1e3, 2),
        "cpu_ms": round(median([sample.cpu for sample in samples]) * 1e3, 2),
        "peak_mib": round(peak / 2**20, 1),
    }


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
