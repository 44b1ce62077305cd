"""The images, one function each; IMAGES is the table of what the tests pull."""

from .corners import corner_layers
from .layout import CREATED
from .tarball import Layer

PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
"""
GROUP = """root:x:0:root
daemon:x:1:
tty:x:5:
users:x:100:
nogroup:x:65534:
"""
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

ENTRYPOINT = """#!/bin/sh
# Root starts the server as `redis`; every other command, and every other user, runs as it is.
set -e
case $1 in
-* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis '{}' +
    exec gosu redis "$0" "$@"
fi
# The original's server is built to answer other machines too.
case "$*" in
redis-server*-v | redis-server*--version | redis-server*-h | redis-server*--help | *protected-mode*) ;;
redis-server*) set -- "$@" --protected-mode no ;;
esac
umask 0077
exec "$@"
"""


def base(debian, applet):
    """A minimal root: busybox, users, the usual folders. `applet(layer, name)` makes one name for it."""
    layer = Layer()
    for folder in ("bin", "dev", "etc", "home", "lib", "proc", "run", "sbin", "sys", "usr", "usr/bin", "usr/sbin", "var"):
        layer.folder(folder)
    layer.folder("root", 0o700).folder("tmp", 0o1777).folder("var/tmp", 0o1777)
    layer.file("bin/busybox", debian.read("bin/busybox"), 0o755)
    for name in debian.applets():
        applet(layer, name)
    layer.file("etc/passwd", PASSWD).file("etc/group", GROUP).file("etc/shadow", "root:*:::::::\n", 0o640)
    return layer


def by_hard_link(layer, name):
    layer.hard_link("bin/" + name, "bin/busybox", mode=0o755)


def by_symlink(layer, name):
    layer.symlink("bin/" + name, "/bin/busybox")


def busybox(layout, debian):
    layer = layout.layer(base(debian, by_hard_link))
    image = layout.manifest([layer], {"Env": [PATH], "Cmd": ["sh"]})
    layout.name("library/busybox:latest", image)
    layout.name("library/busybox:plain", layout.manifest(
        [layout.layer(base(debian, by_hard_link), "none")], {"Env": [PATH], "Cmd": ["sh"]}))
    # Not in `library`: the registry with tokens gives it to no one without a password.
    layout.name("private/busybox:latest", image)


def alpine(layout, debian):
    root = base(debian, by_symlink)
    root.file("etc/os-release", 'ID=alpine-stand-in\nPRETTY_NAME="stand-in for Alpine, from Debian\'s busybox"\n')
    root.file("etc/hostname", "localhost\n")
    layout.name("library/alpine:latest", layout.manifest([layout.layer(root)], {"Env": [PATH], "Cmd": ["/bin/sh"]}))


def redis(layout, debian):
    version = debian.version("redis-server")
    root = base(debian, by_symlink)
    root.file("etc/os-release", 'ID=debian\nPRETTY_NAME="stand-in for redis:alpine, from Debian packages"\n')
    root.folder("usr/share").folder("usr/share/stand-in").folder("usr/share/stand-in/cache")
    for number in range(3):
        root.file(f"usr/share/stand-in/cache/{number}", f"a later layer hides this folder's content: {number}\n")
    root.file("usr/share/stand-in/packages", (debian.root / "versions").read_bytes())
    root.file("usr/share/stand-in/hidden", "a later layer removes this file\n")

    users = Layer().folder("etc").file("etc/passwd", PASSWD + "redis:x:999:1000:redis:/data:/sbin/nologin\n")
    users.file("etc/group", GROUP + "redis:x:1000:redis\n")

    libraries = Layer().folder("lib").folder("lib64")
    for folder in sorted({path.rpartition("/")[0] for path in debian.libraries("usr/bin/redis-server")} - {"lib", "lib64"}):
        libraries.folder(folder)
    for path, data in debian.libraries("usr/bin/redis-server", "usr/bin/redis-cli").items():
        libraries.file(path, data, 0o755)

    # No entry for usr/local, which no layer before has: its mode is the unpacker's own.
    programs = Layer().file("usr/local/bin/gosu", debian.read("usr/sbin/gosu"), 0o755)
    for name in ("redis-server", "redis-cli", "redis-benchmark"):
        programs.file("usr/local/bin/" + name, debian.read("usr/bin/" + name), 0o755)
    programs.whiteout("usr/share/stand-in/hidden")

    # A hard link to a file of the layer before, and what changes below it.
    names = Layer()
    for name in ("redis-check-aof", "redis-check-rdb", "redis-sentinel"):
        names.hard_link("usr/local/bin/" + name, "usr/local/bin/redis-server", mode=0o755)
    names.folder("usr/share/stand-in/cache").opaque("usr/share/stand-in/cache")
    names.file("usr/share/stand-in/cache/new", "the only file left here\n")
    names.folder("data", 0o755, owner=(999, 1000))

    start = Layer().file("usr/local/bin/docker-entrypoint.sh", ENTRYPOINT, 0o755)

    layers = [layout.layer(layer) for layer in (root, users, libraries, programs, names, start)]
    layers += [layout.layer(layer) for layer in corner_layers(devices=False)]
    layout.name("library/redis:alpine", layout.manifest(layers, {
        "Env": [PATH, "REDIS_VERSION=" + version],
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["redis-server"],
        "ExposedPorts": {"6379/tcp": {}},
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
        "Labels": {"org.opencontainers.image.title": "stand-in for redis:alpine"},
    }))


def corners(layout, debian):
    """One root file system in every encoding a registry may hold."""
    config = {"Env": [PATH], "Cmd": ["sh"], "User": "nobody", "WorkingDir": "/tmp", "StopSignal": "SIGUSR1"}
    built = [base(debian, by_hard_link)] + corner_layers(devices=True)
    for tag, compression in (("gzip", "gzip"), ("zstd", "zstd"), ("plain", "none")):
        layout.name("test/corners:" + tag, layout.manifest([layout.layer(one, compression) for one in built], config))


def platforms(layout, debian):
    """An index as build tools make it: two platforms, and an attestation for each."""
    images = []
    for architecture in ("arm64", "amd64"):
        mark = Layer().file("etc/platform", architecture + "\n")
        layers = [layout.layer(base(debian, by_symlink)), layout.layer(mark)]
        images.append(layout.manifest(layers, {"Env": [PATH], "Cmd": ["cat", "/etc/platform"]}, architecture))
    layout.name("test/platforms:latest", layout.index(images + [layout.attestation(image) for image in images]))
    layout.name("test/platforms:arm64-only", layout.index(images[:1]))


def many_layers(layout, debian):
    """127 layers, as deep as others allow; each writes its number over the one before."""
    layers = [layout.layer(base(debian, by_hard_link))]
    for number in range(2, 128):
        layers.append(layout.layer(Layer().folder("layers").file("layers/last", f"{number}\n").file(f"layers/{number}")))
    layout.name("test/layers:127", layout.manifest(layers, {"Env": [PATH], "Cmd": ["cat", "/layers/last"]}))


def claims(layout, debian):
    """A config with all that an image may say about how it is run, and a history that tells it."""
    content = Layer().folder("var/lib").folder("var/lib/claims", 0o750, owner=(65534, 65534))
    content.file("var/lib/claims/seed", "from the image\n", 0o640, owner=(65534, 65534))
    content.folder("var/lib/claims/below").symlink("var/lib/claims/link", "seed")
    layers = [layout.layer(base(debian, by_symlink)), layout.layer(content)]
    history = [
        {"created": CREATED, "created_by": "/bin/sh -c #(nop) ADD file:busybox in / "},
        {"created": CREATED, "created_by": "/bin/sh -c #(nop)  MAINTAINER ada", "author": "ada", "empty_layer": True},
        {"created": CREATED, "created_by": "COPY claims /var/lib/claims # buildkit", "comment": "buildkit.dockerfile.v0"},
        {"created": CREATED, "created_by": "/bin/sh -c #(nop)  CMD [\"serve\"]", "empty_layer": True},
    ]
    layout.name("test/claims:latest", layout.manifest(layers, {
        "User": "nobody:nogroup",
        "Env": [PATH, "GREETING=hello world", "EMPTY="],
        "Entrypoint": ["/bin/sh", "-c", "trap 'exit 3' USR1; echo \"$GREETING: $*\"; while :; do sleep 0.1; done", "claims"],
        "Cmd": ["serve"],
        "WorkingDir": "/var/lib/claims",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/var/lib/claims": {}},
        "Labels": {"test.claims": "yes", "org.opencontainers.image.title": "claims"},
        "StopSignal": "SIGUSR1",
        "Healthcheck": {
            "Test": ["CMD-SHELL", "test -e /var/lib/claims/seed"],
            "Interval": 200_000_000, "Timeout": 5_000_000_000, "StartPeriod": 1_000_000_000, "Retries": 2,
        },
    }, history=history))


QUICK_START = [redis, busybox, alpine]
IMAGES = [busybox, alpine, redis, corners, platforms, many_layers, claims]
