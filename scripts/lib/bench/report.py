"""The figures as a table in Markdown: ratios first, as absolute values move from run to run."""


def ratio(row, base, key):
    return f"{row[key] / base[key]:.2f}" if base and base[key] else "–"


def table(title, figures, base, columns, ratios):
    """`columns` and `ratios` are (heading, key); ratios are to the row `base`."""
    heads = [head for head, _ in columns] + [f"{head} × {base}" for head, _ in ratios]
    lines = [f"\n{title}\n", "| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, row in figures.items():
        cells = [str(row[key]) for _, key in columns] + [ratio(row, figures.get(base), key) for _, key in ratios]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


TIMES = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("until all is gone", "settled_ms"), ("CPU ms", "cpu_ms"), ("peak MiB", "peak_mib")]
PULL = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("with sync", "settled_ms"), ("CPU ms", "cpu_ms"), ("peak MiB", "peak_mib")]
TIME_RATIOS = [("time", "wall_ms"), ("CPU", "cpu_ms")]
MEMORY = [("USS MiB", "uss_mib"), ("PSS MiB", "pss_mib"), ("memfd MiB each", "memfd_mib_each"), ("processes", "processes"), ("start ms", "start_ms")]
PUBLISH = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("rm -f ms", "remove_ms")]
AT_ONCE = [("start s", "start_s"), ("rm -f s", "remove_s")]
GROWTH = [("first ms", "first_ms"), ("hundredth ms", "hundredth_ms"), ("growth", "growth")]


def markdown(result):
    machine, figures = result["machine"], result["figures"]
    versions = "; ".join(result["versions"].values())
    parts = [
        f"## {result['date']}\n\n{machine['processors']} processors ({machine['processor']}), {machine['memory_mib']} MiB, "
        f"{machine['system']}, kernel {machine['kernel']}. {versions}. Commit {result['commit']}.",
    ]
    if "run" in figures:
        parts.append(table(f"`run --rm --network none busybox true`, {result['rounds']['run']} rounds", figures["run"], "crun", TIMES, TIME_RATIOS))
    if "exec" in figures:
        parts.append(table(f"`exec … true`, {result['rounds']['run']} rounds", figures["exec"], "crun", TIMES, TIME_RATIOS))
    if "pull" in figures:
        parts.append(table(f"pull of 6 layers, 146 MB, into an empty store, {result['rounds']['pull']} rounds", figures["pull"], "podman", PULL, TIME_RATIOS))
    if "monitors" in figures:
        parts.append(table(f"what stays beside each of {result['rounds']['monitors']} containers", figures["monitors"], "podman", MEMORY, [("USS", "uss_mib")]))
    if "bridge" in figures:
        count = result["rounds"]
        parts.append(table(f"`run --rm busybox true` on the default bridge, {count['run']} rounds", figures["bridge"], "podman", TIMES, TIME_RATIOS))
        parts.append(table(f"`run -d -p` until the port answers, {count['publish']} rounds", figures["publish"], "podman", PUBLISH, [("time", "wall_ms"), ("removal", "remove_ms")]))
        for key, where in (("at_once_none", "network none"), ("at_once_bridge", "the default bridge")):
            parts.append(table(f"50 containers started at once, {where}, {count['at_once']} rounds", figures[key], "podman", AT_ONCE, [("start", "start_s"), ("removal", "remove_s")]))
        parts.append(table("the hundredth container with a published port beside the first", figures["growth"], "podman", GROWTH, []))
        parts.append(table(f"iperf3 between two containers, {count['throughput']} rounds", figures["throughput"], "podman", [("Gbit/s", "gbit")], [("rate", "gbit")]))
    return "\n".join(parts) + "\n"
