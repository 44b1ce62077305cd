"""One layer's tar, entry by entry: order, headers and extensions are the caller's.

POSIX.1-2001 (pax) with the vendor records GNU tar and libarchive agree on
(SCHILY.xattr.*, GNU.sparse.* 1.0), and GNU's long names where asked for. The standard
library's writer hides just these choices.
"""

import hashlib
import io
import subprocess
import zlib

EPOCH = 1704067200  # 2024-01-01: every time stamp is fixed, so that digests are too
BLOCK = 512


def _number(value, width):
    return b"%0*o\0" % (width - 1, value)


def _padded(data):
    return data + b"\0" * (-len(data) % BLOCK)


class Layer:
    """Collects entries; `compressed` gives what a manifest needs."""

    def __init__(self):
        self._out = io.BytesIO()
        self.entries = 0

    def _header(self, name, kind, size=0, link=b"", mode=0o644, owner=(0, 0), mtime=EPOCH, device=(0, 0)):
        head = bytearray(BLOCK)

        def put(at, data):
            head[at : at + len(data)] = data

        put(0, name[:100])
        put(100, _number(mode, 8))
        put(108, _number(owner[0], 8))
        put(116, _number(owner[1], 8))
        put(124, _number(size, 12))
        put(136, _number(max(0, int(mtime)), 12))
        put(148, b" " * 8)
        put(156, kind)
        put(157, link[:100])
        put(257, b"ustar\x0000")
        put(329, _number(device[0], 8))
        put(337, _number(device[1], 8))
        put(148, b"%06o\0 " % sum(head))
        self._out.write(head)

    def _pax(self, records):
        body = b""
        for key, value in records.items():
            record = key.encode() + b"=" + value + b"\n"
            length = len(record) + 2
            while length != len(str(length)) + 1 + len(record):
                length = len(str(length)) + 1 + len(record)
            body += b"%d " % length + record
        self._header(b"PaxHeaders/entry", b"x", len(body))
        self._out.write(_padded(body))

    def _gnu_long(self, kind, value):
        self._header(b"././@LongLink", kind, len(value) + 1, mode=0)
        self._out.write(_padded(value + b"\0"))

    def add(self, path, kind, data=b"", link="", mode=0o644, owner=(0, 0), mtime=EPOCH, xattrs=None,
            device=(0, 0), gnu_names=False, extra=None):
        """Adds one entry. A fractional `mtime` is a string of seconds, as pax has it."""
        name, target = path.encode(), link.encode()
        records = dict(extra or {})
        if gnu_names:
            if len(target) > 100:
                self._gnu_long(b"K", target)
            if len(name) > 100:
                self._gnu_long(b"L", name)
        else:
            if len(name) > 100:
                records["path"] = name
            if len(target) > 100:
                records["linkpath"] = target
        if isinstance(mtime, str):
            records["mtime"] = mtime.encode()
            mtime = float(mtime)
        for key, value in (xattrs or {}).items():
            records["SCHILY.xattr." + key] = value
        if records:
            self._pax(records)
        self._header(name, kind, len(data), target, mode, owner, mtime, device)
        self._out.write(_padded(data))
        self.entries += 1
        return self

    def folder(self, path, mode=0o755, **rest):
        return self.add(path.rstrip("/") + "/", b"5", mode=mode, **rest)

    def file(self, path, data=b"", mode=0o644, **rest):
        return self.add(path, b"0", data if isinstance(data, bytes) else data.encode(), mode=mode, **rest)

    def symlink(self, path, target, **rest):
        return self.add(path, b"2", link=target, mode=0o777, **rest)

    def hard_link(self, path, target, **rest):
        return self.add(path, b"1", link=target, **rest)

    def fifo(self, path, **rest):
        return self.add(path, b"6", **rest)

    def character_device(self, path, major, minor, mode=0o666):
        return self.add(path, b"3", mode=mode, device=(major, minor))

    def block_device(self, path, major, minor, mode=0o660):
        return self.add(path, b"4", mode=mode, device=(major, minor))

    def whiteout(self, path):
        folder, _, name = path.rpartition("/")
        return self.file((folder + "/" if folder else "") + ".wh." + name, mode=0)

    def opaque(self, folder):
        return self.file(folder.rstrip("/") + "/.wh..wh..opq", mode=0)

    def sparse(self, path, size, pieces, mode=0o644):
        """A GNU 1.0 sparse file: `pieces` are (offset, bytes); the rest of `size` is holes."""
        numbers = [len(pieces) + 1]
        for offset, data in pieces:
            numbers += [offset, len(data)]
        numbers += [size, 0]
        map_ = _padded(b"".join(b"%d\n" % number for number in numbers))
        folder, _, name = path.rpartition("/")
        return self.file(f"{folder}/GNUSparseFile.0/{name}", map_ + b"".join(data for _, data in pieces), mode, extra={
            "GNU.sparse.major": b"1",
            "GNU.sparse.minor": b"0",
            "GNU.sparse.name": path.encode(),
            "GNU.sparse.realsize": b"%d" % size,
        })

    def header(self, name, size):
        """Only the header of a file whose content the caller writes."""
        self._header(name, b"0", size)
        return self.written()

    def written(self):
        """What there is so far, without the end of a tar."""
        return self._out.getvalue()

    def tar(self):
        return self._out.getvalue() + b"\0" * (2 * BLOCK)


def gzip(data, level=6):
    """RFC 1952 with no name and no time: the same input gives the same bytes."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    end = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + end


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c", "-3"], input=data, stdout=subprocess.PIPE, check=True).stdout


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()
