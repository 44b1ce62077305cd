"""The file of figures: each part is written as it ends, beside those that are there from runs before."""

import json
import os


class Results:
    """What is printed, and kept in a file if one is named."""

    def __init__(self, path, head):
        self.path = path
        self.all = {**head, "versions": {}, "rounds": {}, "parts": {}, "figures": {}}
        if path and os.path.exists(path):
            with open(path) as file:
                there = json.load(file)
            if there["machine"] != head["machine"]:
                raise SystemExit(f"bench: {path} has figures of another machine: name another file")
            self.all = {**there, **head, "parts": there.get("parts", {})}

    def has(self, part, conditions):
        """Whether the part is there as it would be made now."""
        there = self.all["parts"].get(part, {})
        return all(there.get(key) == value for key, value in conditions.items())

    def add(self, part, conditions, figures, versions, rounds, skipped):
        self.all["parts"][part] = {**conditions, **({"skipped": skipped} if skipped else {})}
        self.all["figures"].update(figures)
        self.all["versions"].update(versions)
        self.all["rounds"].update(rounds)
        if self.path:
            with open(self.path + ".new", "w") as file:
                json.dump(self.all, file, indent=1)
                file.write("\n")
            os.replace(self.path + ".new", self.path)
