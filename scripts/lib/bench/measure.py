"""One command, measured: time, processor time of everything it started, peak memory."""

import ctypes
import os
import resource
import signal
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


def tree(pid):
    """A process and all below it that run now; nothing if it is gone."""
    found = [pid]
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                for child in file.read().split():
                    found += tree(int(child))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


# Daemons that stand among our children. They lose threads and reap children of their own, so
# that what they used is only known by /proc/<pid>/stat, in ticks.
daemons = set()
TICK = os.sysconf("SC_CLK_TCK")


def used_by_daemon(pid):
    """Seconds in user space and in the kernel, with those of children that have ended (proc(5), fields 14 to 17)."""
    user = system = 0
    for process in tree(pid):
        try:
            with open(f"/proc/{process}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        user += int(fields[11]) + int(fields[13])
        system += int(fields[12]) + int(fields[14])
    return user / TICK, system / TICK


def peak_of_daemon(pid):
    """The sum of the peaks of a daemon and what it keeps beside it, in bytes; helpers that have ended are not in it."""
    total = 0
    for process in tree(pid):
        try:
            with open(f"/proc/{process}/status") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def on_processor(pids):
    """Seconds these processes have run so far, all their threads (schedstat, nanoseconds)."""
    total = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                    total += int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / 1e9


class Used:
    """Processor seconds until now: of ended children, of daemons, of other residents."""

    def __init__(self, resident):
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        standing = [used_by_daemon(pid) for pid in daemons & set(resident)]
        self.user = ended.ru_utime + sum(user for user, _ in standing)
        self.system = ended.ru_stime + sum(system for _, system in standing)
        self.all = self.user + self.system + on_processor(set(resident) - daemons)


class Sample:
    """Seconds and bytes of one command.

    `wall` until it ended, `settled` until nothing it started was left, `cpu` of all of it, of
    that `user` and `system` without residents other than daemons; `peak` of its largest process,
    `beside` of its daemon, where asked for.
    """

    def __init__(self, wall, settled, before, after, peak=0, beside=0):
        self.wall, self.settled, self.peak, self.beside = wall, settled, peak, beside
        self.cpu, self.user, self.system = after.all - before.all, after.user - before.user, after.system - before.system


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


def run(command, subject, resident=frozenset()):
    """Runs a command to its end, and waits for what it left, but for `resident` processes.

    Their time counts too, and the subject's daemon's.
    """
    counted = set(resident) - daemons | subject.resident()
    before = Used(counted)
    start = time.perf_counter()
    call(command, subject.environment)
    wall = time.perf_counter() - start
    settle(resident)
    settled = time.perf_counter() - start
    return Sample(wall, settled, before, Used(counted))


def peak(command, subject, resident=frozenset()):
    """Runs a command like `run`, and finds the peak memory of its largest process.

    A process keeps the peak of the image it was before exec, here an interpreter's: so
    the command is started, and waited for, by something small.
    """
    told = os.environ["BENCH_LOG"] + ".peak"
    found = run(["busybox", "time", "-f", "%M", "-o", told, *command], subject, resident)
    with open(told) as file:
        # Its %M takes the kernel's KiB for pages, and multiplies.
        found.peak = int(file.read().split()[-1]) * 1024 // (os.sysconf("SC_PAGE_SIZE") // 1024)
    found.beside = sum(peak_of_daemon(pid) for pid in subject.resident())
    return found


def settle(resident, limit=20.0):
    """Reaps what is adopted until only residents and daemons are left."""
    end = time.monotonic() + limit
    resident = set(resident) | daemons
    while children() - resident:
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG) is None:
            if time.monotonic() > end:
                raise SystemExit(f"bench: processes {children() - resident} stay after their command")
            time.sleep(0.0005)


def end_all():
    """After a failure: ends by their ids what is left of what was started here, daemons and containers."""
    daemons.clear()
    while children():
        for pid in reversed(tree(os.getpid())[1:]):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.wait()


def median(values):
    return statistics.median(values)


def summary(samples, warm_up=()):
    """Medians of a list of samples, and the spread of the time; peaks are the highest of all, warm-up too."""
    walls = [sample.wall for sample in samples]

    def milliseconds(key):
        return round(median([getattr(sample, key) for sample in samples]) * 1e3, 2)

    return {
        "rounds": len(samples),
        "wall_ms": milliseconds("wall"),
        "wall_min_ms": round(min(walls) * 1e3, 2),
        "wall_max_ms": round(max(walls) * 1e3, 2),
        "settled_ms": milliseconds("settled"),
        "cpu_ms": milliseconds("cpu"),
        "user_ms": milliseconds("user"),
        "system_ms": milliseconds("system"),
        **peaks([*samples, *warm_up]),
    }


def peaks(samples):
    """The command's peak and its daemon's, and both together."""
    command, daemon = max(sample.peak for sample in samples), max(sample.beside for sample in samples)
    return {
        "peak_mib": round((command + daemon) / 2**20, 1),
        "peak_command_mib": round(command / 2**20, 1),
        "peak_daemon_mib": round(daemon / 2**20, 1),
    }
