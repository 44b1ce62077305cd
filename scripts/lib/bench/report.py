"""The figures as a table in Markdown: ratios first, as absolute values move from run to run."""


def table(title, figures, base, columns):
    """`columns` are (heading, key); the ratio is of the first one, to `base`."""
    key = columns[0][1]
    lines = [f"\n{title}\n", "| | " + " | ".join(head for head, _ in columns) + f" | × {base} |", "|---" * (len(columns) + 2) + "|"]
    for name, row in figures.items():
        ratio = f"{row[key] / figures[base][key]:.2f}" if base in figures and figures[base][key] else "–"
        lines.append(f"| {name} | " + " | ".join(str(row[column]) for _, column in columns) + f" | {ratio} |")
    return "\n".join(lines)


TIMES = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("until all is gone", "settled_ms"), ("CPU ms", "cpu_ms"), ("peak MiB", "peak_mib")]
PULL = [("median ms", "wall_ms"), ("min", "wall_min_ms"), ("with sync", "settled_ms"), ("CPU ms", "cpu_ms"), ("peak MiB", "peak_mib")]
MEMORY = [("USS MiB", "uss_mib"), ("PSS MiB", "pss_mib"), ("memfd MiB each", "memfd_mib_each"), ("processes", "processes"), ("start ms", "start_ms")]


def markdown(result):
    machine, figures = result["machine"], result["figures"]
    versions = "; ".join(result["versions"].values())
    parts = [
        f"## {result['date']}\n\n{machine['processors']} processors ({machine['processor']}), {machine['memory_mib']} MiB, "
        f"{machine['system']}, kernel {machine['kernel']}. {versions}. Commit {result['commit']}.",
    ]
    if "run" in figures:
        parts.append(table(f"`run --rm --network none busybox true`, {result['rounds']['run']} rounds", figures["run"], "crun", TIMES))
    if "exec" in figures:
        parts.append(table(f"`exec … true`, {result['rounds']['run']} rounds", figures["exec"], "crun", TIMES))
    if "pull" in figures:
        parts.append(table(f"pull of 6 layers, 146 MB, into an empty store, {result['rounds']['pull']} rounds", figures["pull"], "podman", PULL))
    if "monitors" in figures:
        parts.append(table(f"what stays beside each of {result['rounds']['monitors']} containers", figures["monitors"], "podman", MEMORY))
    return "\n".join(parts) + "\n"
