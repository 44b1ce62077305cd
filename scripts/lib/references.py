"""Runs a file of steps against whichever engine is called `docker` on PATH, and writes what it prints.

usage: references.py STEPS OUT

Each line of STEPS (tests/references/steps/README.md) is a command for the shell. What differs
from run to run (ids, times, sizes, ports that were free) is replaced by a word in angle brackets.
One file OUT/<name>.txt a step; OUT/failed has the preparations that failed, if any did.
IMAGES is a folder of images as `docker save` writes them, WORK an empty one that the steps may use.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

STEP = re.compile(r"(?P<kind>do|until|text|table|keys|fails)(?: (?P<name>[a-z0-9-]+))?(?: \[(?P<hidden>[^]]*)\])?: (?P<command>.+)")
# Longer than any step needs, so that one that hangs is a failure and not the end of the run.
LIMIT = 60

AGO = r"(?:Less than a second|About a minute|About an hour|\d+ (?:second|minute|hour|day|week|month|year)s?)"
SIZE = r"\b\d+(?:\.\d+)?(?:e[+-]\d+)? ?(?:[kKMGT]i?)?B\b"
VARYING = [
    (r"\b[0-9a-f]{64}\b", "<long-id>"),
    (r"\b[0-9a-f]{14}…", "<long-id>…"),
    (r"\b[0-9a-f]{12}\b", "<id>"),
    (rf"\b{AGO} ago\b", "<time> ago"),
    (rf"\bUp {AGO}", "Up <time>"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d| [+-]\d{4} [A-Z]+)?", "<date>"),
    (r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", "<hardware-address>"),
    # Later dockers write it so.
    (r"(?<![0-9a-f:]):::(?=\d)", "[::]:"),
    (r"(?<=:)(?:3[2-9]\d{3}|[45]\d{4}|6[0-5]\d{3})\b", "<port>"),
    (SIZE, "<size>"),
    (r"\b\d+(?:\.\d+)?%", "<part>"),
    (r"\b172\.\d+\.\d+\.\d+\b", "<address>"),
]


def steady(text, folders):
    """The text without what varies."""
    for folder, name in folders.items():
        text = text.replace(folder, name)
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return text


def rows(text, hidden):
    """A table's cells, by the columns where its headings begin; blanks of the layout are not kept."""
    lines = text.splitlines()
    if not lines:
        return text
    columns = [(match.start(), match.group()) for match in re.finditer(r"\S+(?: \S+)*", lines[0])]
    ends = [start for start, _ in columns[1:]] + [None]
    table = []
    for number, line in enumerate(lines):
        cells = [line[start:end].strip() for (start, _), end in zip(columns, ends)]
        if number:
            cells = ["<varies>" if heading in hidden else cell for cell, (_, heading) in zip(cells, columns)]
        table.append(" | ".join(cells).rstrip())
    if "ORDER" in hidden:
        table[1:] = sorted(table[1:])
    return "\n".join(table) + "\n"


def tree(text):
    """Every key of JSON documents with the types of its values: `.State.Health: object`."""
    types = {}

    def look(value, path):
        # A health check may run at that moment, or not.
        if path.endswith(".ExecIDs"):
            value = None
        kinds = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
        types.setdefault(path, set()).add(kinds.get(type(value), "number"))
        if isinstance(value, dict):
            for key, below in value.items():
                look(below, f"{path}.{steady(key, {})}")
        elif isinstance(value, list):
            for below in value:
                look(below, path + "[]")

    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        # A list of one, as `inspect` gives it, and a line for each are looked at alike.
        for one in value if isinstance(value, list) else [value]:
            look(one, "")
        at += len(text[at:]) - len(text[at:].lstrip())
    return "".join(f"{path or '.'}: {'|'.join(sorted(kinds))}\n" for path, kinds in sorted(types.items()))


def run(command):
    told = subprocess.run(["timeout", str(LIMIT), "sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True)
    return told.returncode, told.stdout.decode(errors="replace"), told.stderr.decode(errors="replace")


def record(step, folders):
    code, out, errors = run(step["command"])
    # Free ports, times and the like make columns of other widths, so tables are cut up first.
    if step["kind"] == "table":
        out = rows(out, (step["hidden"] or "").split())
    if step["kind"] == "keys":
        try:
            out = tree(out)
        except json.JSONDecodeError as error:
            out = f"no JSON: {error}\n{out}"
    told = "".join(f"stderr: {line}\n" for line in errors.splitlines())
    out = "".join(line.rstrip() + "\n" for line in out.splitlines())
    return f"$ {step['command']}\n" + steady(out, folders) + steady(told, folders) + f"exit {code}\n"


def prepare(step):
    """Nothing, or what went wrong."""
    since = time.monotonic()
    while True:
        code, out, errors = run(step["command"])
        if code == 0:
            return None
        if step["kind"] == "do" or time.monotonic() - since > LIMIT:
            return f"{step['command']}\nexit {code}\n{out}{errors}"
        time.sleep(0.02)


def steps(file):
    for number, line in enumerate(Path(file).read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            step = STEP.fullmatch(line)
            if not step or (step["name"] is None) != (step["kind"] in ("do", "until")):
                sys.exit(f"{file}:{number}: not understood: {line}")
            yield step


def main(file, out):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    folders = {os.environ["WORK"]: "$WORK", os.environ["IMAGES"]: "$IMAGES"}
    Path(os.environ["WORK"], "env").write_text("# a comment\nFROM_FILE=file\n")
    failed = []
    for step in steps(file):
        if step["kind"] in ("do", "until"):
            problem = prepare(step)
            failed += [problem] if problem else []
        else:
            (out / (step["name"] + ".txt")).write_text(record(step, folders))
    if failed:
        (out / "failed").write_text("\n".join(failed))


main(*sys.argv[1:])
