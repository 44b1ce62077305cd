"""An application's own images: a web server, a database, a worker. Its cache is redis:alpine.

An order that is posted to the web server goes to the cache; the worker takes it from there and
writes it into the database, whose rows the web server lists. All find each other by name.
"""

from .catalog import GROUP, PASSWD, PATH, base, by_symlink
from .tarball import Layer

SECOND = 1_000_000_000  # the unit of a health check's times: nanoseconds
POSTGRES = "usr/lib/postgresql/15"
SHARED = "usr/share/postgresql/15"
POSTGRES_USER = (70, 70)

WEB_CONFIG = """# Listens on all addresses of both families; `/orders` is a program.
server.bind = "0.0.0.0"
$SERVER["socket"] == "[::]:80" { server.set-v6only = "enable" }
server.modules = ("mod_cgi", "mod_setenv")
server.document-root = "/srv/www"
server.port = 80
server.username = "nobody"
server.groupname = "nogroup"
index-file.names = ("index.html")
mimetype.assign = (".html" => "text/html")
setenv.set-environment = (
    "PATH" => env.PATH, "CACHE" => env.CACHE, "DATABASE" => env.DATABASE, "PGPASSWORD" => env.PGPASSWORD,
    "PGCONNECT_TIMEOUT" => "3"
)
$HTTP["url"] =~ "^/orders$" {
    cgi.assign = ("" => "")
}
"""

ORDERS = """#!/bin/sh
# POST queues its body as an order; GET lists the orders that the database holds.
answer() { printf 'Status: %s\\r\\nContent-Type: text/plain\\r\\n\\r\\n' "$1"; }
case $REQUEST_METHOD in
POST)
    order=$(head -c "${CONTENT_LENGTH:-0}")
    if error=$(redis-cli -e -h "$CACHE" LPUSH orders "$order" 2>&1); then
        answer 202 && printf 'queued %s\\n' "$order"
    else
        answer 503 && printf 'cache: %s\\n' "$error"
    fi
    ;;
*)
    if orders=$(psql -h "$DATABASE" -U postgres -At -c 'select item from orders order by id' 2>&1); then
        answer 200 && printf '%s\\n' "$orders"
    else
        answer 503 && printf 'database: %s\\n' "$orders"
    fi
    ;;
esac
"""

WORKER = """#!/bin/sh
# Moves orders from the cache into the database. One that was taken and not written, because we
# ended in between, is written by our next start.
set -u
trap 'exit 0' TERM INT
cache() { redis-cli -e -h "$CACHE" --raw "$@"; }
database() { psql -q -v ON_ERROR_STOP=1 -h "$DATABASE" -U postgres "$@"; }
persist() { until "$@"; do sleep 0.2; done; }

table() { database -c 'create table if not exists orders (id serial primary key, item text not null)' 2>&1; }
write() { printf '%s\\n' "insert into orders (item) values (:'item');" | database -v item="$1"; }

persist table
echo ready
while :; do
    if ! order=$(cache LINDEX taken -1) || { [ -z "$order" ] && ! order=$(cache BLMOVE orders taken RIGHT LEFT 1); }; then
        sleep 0.2
        continue
    fi
    [ -n "$order" ] || continue
    persist write "$order"
    persist cache LREM taken 1 "$order" >/dev/null
    echo "wrote $order"
done
"""

DATABASE = """#!/bin/sh
# An empty volume gets a cluster first; the server never runs as root.
set -e
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
    chown postgres:postgres "$PGDATA"
    chmod 700 "$PGDATA"
    exec gosu postgres "$0" "$@"
fi
# The last file written: a cluster that was interrupted in its making is made anew.
if [ "$1" = postgres ] && [ ! -e "$PGDATA/made" ]; then
    : "${POSTGRES_PASSWORD:?is needed: -e POSTGRES_PASSWORD=...}"
    rm -rf "${PGDATA:?}"/*
    printf '%s\\n' "$POSTGRES_PASSWORD" >/tmp/password
    initdb --pgdata="$PGDATA" --username=postgres --pwfile=/tmp/password --encoding=UTF8 --locale=C \\
        --auth-local=trust --auth-host=scram-sha-256 --no-sync --no-instructions
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    touch "$PGDATA/made"
fi
exec "$@"
"""


def installed(debian, layer, programs, without=()):
    """Adds `programs` ({path in the image: path in the packages}) and the libraries they need.

    Gives the paths it added, for layers above to leave out.
    """
    libraries = {path: data for path, data in debian.libraries(*programs.values()).items() if path not in without}
    add_folders(layer, [*libraries, *programs])
    for path, data in libraries.items():
        layer.file(path, data, 0o755)
    for path, source in programs.items():
        layer.file(path, debian.read(source), 0o755)
    return {*without, *libraries, *programs}


def add_folders(layer, paths):
    """One entry for every folder above the paths that `base` does not bring."""
    above = set()
    for path in paths:
        parts = path.split("/")[:-1]
        above.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    for folder in sorted(above - {"bin", "etc", "lib", "run", "usr", "usr/bin", "usr/sbin", "var"}):
        layer.folder(folder)


def clients(debian):
    """What all three share: the programs by which one asks the cache and the database."""
    layer = Layer()
    return layer, installed(debian, layer, {
        "usr/bin/redis-cli": "usr/bin/redis-cli",
        f"{POSTGRES}/bin/psql": f"{POSTGRES}/bin/psql",
        f"{POSTGRES}/bin/pg_isready": f"{POSTGRES}/bin/pg_isready",
    })


def application(layout, debian):
    below, there = clients(debian)
    below = [layout.layer(base(debian, by_symlink)), layout.layer(below)]
    path = f"{PATH}:/{POSTGRES}/bin"
    others = ["CACHE=cache", "DATABASE=database", "PGPASSWORD="]

    layer = Layer()
    installed(debian, layer, {
        "usr/sbin/lighttpd": "usr/sbin/lighttpd",
        "usr/lib/lighttpd/mod_cgi.so": "usr/lib/lighttpd/mod_cgi.so",
    }, there)
    layer.folder("etc/lighttpd").file("etc/lighttpd/lighttpd.conf", WEB_CONFIG)
    layer.folder("srv").folder("srv/www").file("srv/www/index.html", "<title>shop</title>\n")
    layer.file("srv/www/orders", ORDERS, 0o755)
    layout.name("test/web:latest", layout.manifest([*below, layout.layer(layer)], {
        "Env": [path, *others],
        "Cmd": ["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"],
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {
            "Test": ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1/"],
            "Interval": SECOND, "Timeout": 5 * SECOND, "StartPeriod": 10 * SECOND, "Retries": 3,
        },
        "StopSignal": "SIGINT",
    }))

    layer = Layer().file("usr/bin/worker", WORKER, 0o755)
    layout.name("test/worker:latest", layout.manifest([*below, layout.layer(layer)], {
        "Env": [path, *others], "Cmd": ["worker"], "User": "nobody",
    }))

    layout.name("test/database:latest", layout.manifest([*below, layout.layer(database(debian, there))], {
        "Env": [path, "PGDATA=/var/lib/postgresql/data"],
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["postgres", "-c", "listen_addresses=*"],
        "ExposedPorts": {"5432/tcp": {}},
        "Volumes": {"/var/lib/postgresql/data": {}},
        "Healthcheck": {
            "Test": ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"],
            "Interval": SECOND, "Timeout": 5 * SECOND, "StartPeriod": 60 * SECOND, "Retries": 3,
        },
        "StopSignal": "SIGINT",
    }))


def database(debian, there):
    """The server, the program that makes a cluster, and what that reads."""
    layer = Layer()
    programs = {f"{POSTGRES}/bin/{name}": f"{POSTGRES}/bin/{name}" for name in ("initdb", "postgres")}
    programs |= {f"{POSTGRES}/lib/{name}": f"{POSTGRES}/lib/{name}" for name in ("dict_snowball.so", "plpgsql.so")}
    installed(debian, layer, {**programs, "usr/bin/gosu": "usr/sbin/gosu"}, there)
    data = [path for path in debian.files(SHARED)
            if "/extension/" not in path and "/man/" not in path and "/contrib/" not in path]
    data += [path for path in debian.files(f"{SHARED}/extension") if "/plpgsql" in path]
    for folder in sorted({path.rpartition("/")[0] for path in data} | {"usr/share", "usr/share/postgresql"}):
        layer.folder(folder)
    for path in sorted(data):
        layer.file(path, debian.read(path))
    layer.file("etc/passwd", PASSWD + "postgres:x:70:70:postgres:/var/lib/postgresql:/bin/sh\n")
    layer.file("etc/group", GROUP + "postgres:x:70:\n")
    layer.folder("run/postgresql", 0o2775, owner=POSTGRES_USER).symlink("var/run", "/run")
    layer.folder("var/lib").folder("var/lib/postgresql", owner=POSTGRES_USER)
    layer.folder("var/lib/postgresql/data", 0o700, owner=POSTGRES_USER)
    return layer.folder("usr/local").folder("usr/local/bin").file("usr/local/bin/docker-entrypoint.sh", DATABASE, 0o755)
