"""Images of one layer, small or large, of which only what lies in memory differs: for the benchmark.

The tar never is in memory here either: its files are the same mebibyte over and over, deflated
once into pieces that stand for themselves (RFC 1951, 3.2.4: an empty stored block ends each).
"""

import hashlib
import zlib

from .bulk import Content
from .layout import OCI
from .tarball import BLOCK, Layer

MIB = 1 << 20
# One file of a fifth, all others of a mebibyte each.
LARGEST = 5


class Deflated:
    """One gzip member (RFC 1952) of pieces, and the digest of what is in it."""

    def __init__(self):
        self.parts, self.crc, self.size, self.digest = [], 0, 0, hashlib.sha256()

    def add(self, data, deflated=None):
        self.parts.append(deflated or piece(data))
        self.crc, self.size = zlib.crc32(data, self.crc), self.size + len(data)
        self.digest.update(data)

    def finish(self):
        end = b"\x03\0" + self.crc.to_bytes(4, "little") + (self.size & 0xFFFFFFFF).to_bytes(4, "little")
        return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"".join(self.parts) + end


def piece(data):
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush(zlib.Z_FULL_FLUSH)


def one_layer(layout, name, mebibytes):
    content = (Content(3, 0.05).piece(16 << 10) * 64)[:MIB]
    deflated = piece(content)
    out = Deflated()

    def entry(path, size):
        """The header of a file whose content follows."""
        tar = Layer().header(path.encode(), size)
        out.add(tar)
        for _ in range(size // MIB):
            out.add(content, deflated)

    out.add(Layer().folder("large").written())
    first = max(1, mebibytes // LARGEST)
    entry("large/first", first * MIB)
    for number in range(mebibytes - first):
        if number % 100 == 0:
            out.add(Layer().folder(f"large/{number:06}").written())
        entry(f"large/{number - number % 100:06}/{number:06}", MIB)
    out.add(bytes(2 * BLOCK))
    layer = layout.blob(OCI + "layer.v1.tar+gzip", out.finish()), "sha256:" + out.digest.hexdigest()
    layout.name(name, layout.manifest([layer], {"Cmd": ["/large"]}))


def small_and_large(layout):
    one_layer(layout, "bench/layer:10mb", 10)
    one_layer(layout, "bench/layer:10gb", 10_000)
