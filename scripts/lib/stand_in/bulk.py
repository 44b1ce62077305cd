"""Two images for the benchmark: as many files and bytes as real ones, and as hard to compress."""

import random

from .tarball import Layer

WORDS = [b"the", b"of", b"return", b"int", b"static", b"struct", b"error", b"value", b"self", b"import", b"const",
         b"if", b"else", b"buffer", b"size_t", b"license", b"function", b"object", b"and", b"for", b"in", b"0x00"]


class Content:
    """Bytes of files: pieces of text and of noise from two pools, so that gzip finds about a third."""

    POOL = 8 << 20

    def __init__(self, seed, noise):
        self.random = random.Random(seed)
        self.noise = noise
        self.noises = self.random.randbytes(self.POOL)
        text = []
        length = 0
        while length < self.POOL:
            word = self.random.choice(WORDS) if self.random.random() < 0.86 else b"%x" % self.random.getrandbits(32)
            text.append(word)
            length += len(word) + 1
        self.text = b" ".join(text)

    def piece(self, size):
        parts = []
        while size > 0:
            length = min(size, self.random.randrange(256, 4096))
            pool = self.noises if self.random.random() < self.noise else self.text
            start = self.random.randrange(0, self.POOL - length)
            parts.append(pool[start : start + length])
            size -= length
        return b"".join(parts)


def bulk(layout, name, seed, entries, size, shares, noise):
    """`entries` entries of `size` bytes in all, in one layer for each of `shares`."""
    content = Content(seed, noise)
    layers = []
    for number, share in enumerate(shares):
        count, left = int(entries * share), int(size * share)
        layer = Layer().folder("bulk").folder(f"bulk/{number}")
        weights = [content.random.lognormvariate(0, 1.6) for _ in range(count)]
        scale = left / sum(weights)
        folder = ""
        for entry, weight in enumerate(weights):
            if entry % 13 == 0:
                folder = f"bulk/{number}/folder-{entry:05}"
                layer.folder(folder)
            elif entry % 17 == 0:
                layer.symlink(f"{folder}/link-{entry:05}", f"file-{entry - 1:05}")
            else:
                layer.file(f"{folder}/file-{entry:05}", content.piece(int(weight * scale)), 0o755 if entry % 9 == 0 else 0o644)
        layers.append(layout.layer(layer))
        del layer
    layout.name(name, layout.manifest(layers, {"Cmd": ["/bulk"]}))


def redis_like(layout):
    bulk(layout, "bench/redis-like:latest", 1, 6726, 168_000_000, [0.5, 0.02, 0.05, 0.3, 0.12, 0.01], 0.05)


def big(layout):
    bulk(layout, "bench/big:latest", 2, 52980, 1_107_000_000, [0.35, 0.05, 0.2, 0.15, 0.1, 0.1, 0.04, 0.01], 0.05)
