"""The figures as tables in Markdown: ratios first, as absolute values move from run to run."""

RUN = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("until all is gone", "settled_ms"), ("CPU ms", "cpu_ms"), ("peak MiB", "peak_command_mib")]
CYCLE = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("CPU ms", "cpu_ms")]
PULL = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("with sync", "settled_ms"), ("CPU ms", "cpu_ms"),
        ("peak MiB", "peak_mib"), ("command", "peak_command_mib"), ("daemon", "peak_daemon_mib")]
STEPS = [("median ms", "wall_ms"), ("CPU ms", "cpu_ms"), ("user", "user_ms"), ("system", "system_ms")]
SYNCS = [(name, name) for name in ("fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync")]
LAYERS = [("peak MiB", "peak_mib"), ("ms", "wall_ms")]
TIMES = [("time", "wall_ms"), ("CPU", "cpu_ms")]
MEMORY = [("USS MiB", "uss_mib"), ("PSS MiB", "pss_mib"), ("memfd MiB each", "memfd_mib_each"), ("processes", "processes"), ("start ms", "start_ms")]
PUBLISH = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("rm -f ms", "remove_ms")]
AT_ONCE = [("start s", "start_s"), ("rm -f s", "remove_s")]
GROWTH = [("first ms", "first_ms"), ("hundredth ms", "hundredth_ms"), ("growth", "growth")]

# (key of the figures, title, columns, what ratios are of, to whom); {} are the numbers of rounds.
TABLES = [
    ("run", "`run --rm --network none busybox true`, {run} rounds", RUN, TIMES, ["crun"]),
    ("exec", "`exec … true`, {run} rounds", RUN, TIMES, ["crun"]),
    ("runtime_run", "one bundle, busybox `true`: `run`, {runtime} rounds", RUN, TIMES, ["crun", "runc"]),
    ("runtime_cycle", "one bundle: create, start, wait until it ended, delete, {runtime} rounds", CYCLE, TIMES, ["crun", "runc"]),
    ("pull", "pull of 6 layers, 6,700 entries, 146 MB, into an empty store, {pull} rounds", PULL, TIMES, ["containerd", "podman"]),
    ("syncs", "what is synced during that pull, by command and daemon", SYNCS, [], []),
    ("big", "pull of 8 layers, 53,000 entries, 965 MB, into an empty store, {big} rounds", PULL, TIMES, ["containerd", "podman"]),
    ("layers", "isopod's memory for an image of one layer", LAYERS, [("peak", "peak_mib")], ["10 MB"]),
    ("monitors", "what stays beside each of {monitors} containers", MEMORY, [("USS", "uss_mib")], ["podman"]),
    ("bridge", "`run --rm busybox true` on the default bridge, {bridge} rounds", RUN, TIMES, ["podman"]),
    ("publish", "`run -d -p` until the port answers, {publish} rounds", PUBLISH, [("time", "wall_ms"), ("removal", "remove_ms")], ["podman"]),
    ("at_once_none", "50 containers started at once, network none, {at_once} rounds", AT_ONCE, [("start", "start_s"), ("removal", "remove_s")], ["podman"]),
    ("at_once_bridge", "50 containers started at once, the default bridge, {at_once} rounds", AT_ONCE, [("start", "start_s"), ("removal", "remove_s")], ["podman"]),
    ("growth", "the hundredth container with a published port beside the first", GROWTH, [], []),
    ("throughput", "iperf3 between two containers, {throughput} rounds", [("Gbit/s", "gbit")], [("rate", "gbit")], ["podman"]),
]


def ratio(row, base, key):
    return f"{row[key] / base[key]:.2f}" if base[key] else "–"


def cell(row, key):
    """Figures from before daemons were measured have one peak only, the command's."""
    return str(row.get(key, row.get("peak_mib", "–") if key == "peak_command_mib" else "–"))


def table(title, figures, columns, ratios, bases):
    """`columns` and `ratios` are (heading, key); ratios are to those rows of `bases` that are there."""
    compared = [(head, key, base) for base in bases if base in figures for head, key in ratios]
    heads = [head for head, _ in columns] + [f"{head} × {base}" for head, _, base in compared]
    lines = [f"\n{title}\n", "| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, row in figures.items():
        cells = [cell(row, key) for _, key in columns]
        cells += [ratio(row, figures[base], key) if key in row else "–" for _, key, base in compared]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def where_it_goes(floor, engines, threads):
    """Each step by itself, their sum on two processors, and beside it those who do all of them, and their threads."""
    least = next(name for name in floor if name.startswith("floor"))
    rows = {("floor" if name == least else name): row for name, row in {**floor, **engines}.items()}
    for engine, kinds in threads.items():
        rows.update({f"{engine}'s {row['threads']} threads `{kind}`, in another pull": row for kind, row in kinds.items()})
    title = (f"where the time of that pull goes: each step by a plain program of its own, one after the other; "
             f"{least}; and those who do all of them")
    return table(title, rows, STEPS, TIMES[:1], ["floor"])


def versions(result):
    """Each program once, or once for each version of it that a part was made with."""
    parts = [part["versions"] for part in result.get("parts", {}).values()] or [result["versions"]]
    told = dict.fromkeys(name for part in parts for version in part.values() for name in version.split(", "))
    return ", ".join(told)


def markdown(result):
    machine, figures = result["machine"], result["figures"]
    lines = [
        f"## {result['date']}\n\n{machine['processors']} processors ({machine['processor']}), {machine['memory_mib']} MiB, "
        f"{machine['system']}, kernel {machine['kernel']}. {versions(result)}. Commit {result['commit']}.",
    ]
    for key, title, *rest in TABLES:
        if figures.get(key):
            lines.append(table(title.format_map(Counts(result["rounds"])), figures[key], *rest))
        if key == "big" and "floor" in figures and "big" in figures:
            lines.append(where_it_goes(figures["floor"], figures["big"], figures.get("threads", {})))
    for name, part in result.get("parts", {}).items():
        if part.get("skipped"):
            lines.append(f"\n{name}: {part['skipped']}.")
    return "\n".join(lines) + "\n"


class Counts(dict):
    """Figures from before this number was kept."""

    def __missing__(self, _):
        return "some"
