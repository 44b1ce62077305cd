"""What unpackers get wrong, in three layers: the first makes, the second changes, the third takes away."""

import struct

from .tarball import EPOCH, Layer


def capability(permitted, effective=True):
    """`security.capability`, revision 2 (linux/capability.h, struct vfs_cap_data)."""
    bits = sum(1 << number for number in permitted)
    return struct.pack("<IIIII", 0x02000000 | int(effective), bits & 0xFFFFFFFF, 0, bits >> 32, 0)


CAP_NET_BIND_SERVICE, CAP_NET_RAW = 10, 13
ROOT = "opt/corners"
LONG = "long-" + "n" * 195
DEEP = "/".join([ROOT, "deep"] + ["folder-%02d" % n for n in range(25)])


def corner_layers(devices):
    return [_made(devices), _changed(), _taken_away()]


def _made(devices):
    layer = Layer()
    layer.folder("opt").folder(ROOT, 0o755, mtime=EPOCH + 1)
    layer.file(ROOT + "/setuid", "#!/bin/sh\n", 0o4755).file(ROOT + "/setgid", "#!/bin/sh\n", 0o2755)
    layer.folder(ROOT + "/sticky", 0o1777).folder(ROOT + "/setgid-folder", 0o2775, owner=(0, 100))
    layer.folder(ROOT + "/unwritable", 0o555).file(ROOT + "/unwritable/file", "written all the same\n", 0o444)
    layer.file(ROOT + "/owned", "by 12345:54321\n", 0o640, owner=(12345, 54321))
    layer.file(ROOT + "/capable", "#!/bin/sh\n", 0o755, owner=(1000, 1000), xattrs={
        "security.capability": capability([CAP_NET_BIND_SERVICE, CAP_NET_RAW])})
    layer.file(ROOT + "/attributed", "with attributes\n", xattrs={
        "user.text": b"plain", "user.bytes": b"\x00\x01\n=\xff", "user.empty": b""})
    layer.folder(ROOT + "/attributed-folder", xattrs={"user.text": b"on a folder"})
    layer.file(ROOT + "/fraction", "a time of its own\n", mtime=f"{EPOCH}.123456789")
    layer.file(ROOT + "/before-1970", "a negative time\n", mtime="-1.5")
    layer.file(f"{ROOT}/{LONG}-pax", "a long name in a pax record\n")
    layer.file(f"{ROOT}/{LONG}-gnu", "a long name in a GNU header\n", gnu_names=True)
    layer.symlink(ROOT + "/long-target", "x" * 300, gnu_names=True)
    layer.file(DEEP + "/file", "below folders that have no entry\n")
    layer.file(ROOT + "/naïve-ünïcode-文", "utf-8\n").file(ROOT + "/new\nline and 'quotes'", "awkward\n")
    layer.sparse(ROOT + "/sparse", 1 << 20, [(0, b"head" * 128), (512 << 10, b"middle" * 100), ((1 << 20) - 4, b"tail")])
    layer.sparse(ROOT + "/holes-only", 64 << 10, [])
    layer.file(ROOT + "/empty").fifo(ROOT + "/fifo", mode=0o600)
    layer.symlink(ROOT + "/dangling", "/no/such/file").symlink(ROOT + "/relative", "../corners/owned")
    layer.file(ROOT + "/linked", "one inode, three names\n", 0o600, owner=(7, 8))
    layer.hard_link(ROOT + "/linked-too", ROOT + "/linked", mode=0o600, owner=(7, 8))
    layer.hard_link(ROOT + "/link-to-symlink", ROOT + "/dangling")
    layer.file(ROOT + "/becomes-folder", "a file at first\n").folder(ROOT + "/becomes-file")
    layer.file(ROOT + "/becomes-file/inside", "gone later\n")
    layer.file(ROOT + "/twice", "the first of two entries\n").file(ROOT + "/twice", "the second one wins\n", 0o600)
    for folder in ("opaque", "opaque-late", "whited-folder"):
        layer.folder(f"{ROOT}/{folder}", owner=(3, 4))
        layer.folder(f"{ROOT}/{folder}/below").file(f"{ROOT}/{folder}/below/old", "old\n").file(f"{ROOT}/{folder}/old", "old\n")
    layer.file(ROOT + "/whited", "removed by the third layer\n").file(ROOT + "/reborn", "removed and made anew\n")
    layer.folder(ROOT + "/parent", 0o710, owner=(11, 12), mtime=EPOCH + 7).file(ROOT + "/parent/first", "1\n")
    if devices:
        layer.character_device(ROOT + "/null", 1, 3).block_device(ROOT + "/loop", 7, 200)
    return layer


def _changed():
    layer = Layer()
    # No entry for its folder: mode, owner and time of `parent` stay what the first layer said.
    layer.file(ROOT + "/parent/second", "2\n")
    # Hard links to files of the layer before, one of them under a new name in a new folder.
    layer.hard_link(ROOT + "/linked-across", ROOT + "/linked", mode=0o600, owner=(7, 8))
    layer.folder(ROOT + "/new").hard_link(ROOT + "/new/linked", ROOT + "/linked", mode=0o600, owner=(7, 8))
    layer.folder(ROOT + "/becomes-folder").file(ROOT + "/becomes-folder/inside", "now a folder\n")
    layer.file(ROOT + "/becomes-file", "now a file\n")
    layer.folder(ROOT + "/sticky", 0o700, owner=(5, 6))
    layer.file(ROOT + "/opaque/between", "only in the second layer\n")
    return layer


def _taken_away():
    layer = Layer()
    layer.whiteout(ROOT + "/whited").whiteout(ROOT + "/whited-folder").whiteout(ROOT + "/reborn")
    layer.file(ROOT + "/reborn", "made anew\n")
    layer.folder(ROOT + "/opaque", owner=(3, 4)).opaque(ROOT + "/opaque").file(ROOT + "/opaque/new", "new\n")
    # The mark comes after its siblings here: it hides older layers only.
    layer.folder(ROOT + "/opaque-late", owner=(3, 4)).file(ROOT + "/opaque-late/new", "new\n").opaque(ROOT + "/opaque-late")
    # A whiteout of what is not there is no error.
    layer.whiteout(ROOT + "/never-was")
    return layer
