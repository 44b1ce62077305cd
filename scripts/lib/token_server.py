"""A token server as the distribution project's token specification describes it.

usage: token_server.py FOLDER ISSUER SERVICE USER PASSWORD

Loopback only, on a free port, printed on the first line. FOLDER holds token.key and
token.crt, with which it signs (RS256, certificate in the `x5c` header). Anyone may pull
`library/*` and `test/*`; other repositories, and pushes, need USER and PASSWORD.
Every request is one line of the log: method, path, user, scopes, answer.
"""

import base64
import json
import ssl
import subprocess
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FOLDER, ISSUER, SERVICE, USER, PASSWORD = sys.argv[1:6]
LIFETIME = 300
OPEN = ("library/", "test/")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def certificate():
    with open(FOLDER + "/token.crt") as file:
        return base64.b64encode(ssl.PEM_cert_to_DER_cert(file.read())).decode()


def signed(claims):
    head = {"typ": "JWT", "alg": "RS256", "x5c": [certificate()]}
    text = base64url(json.dumps(head).encode()) + b"." + base64url(json.dumps(claims).encode())
    command = ["openssl", "dgst", "-sha256", "-sign", FOLDER + "/token.key"]
    signature = subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True).stdout
    return (text + b"." + base64url(signature)).decode()


def granted(scope, user):
    """One scope, `repository:<name>:<actions>`, cut down to what the user may do."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    wanted = actions.split(",")
    allowed = wanted if user else [action for action in wanted if action == "pull" and name.startswith(OPEN)]
    return {"type": kind, "name": name, "actions": allowed}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        user, refused = "", False
        given = self.headers.get("Authorization")
        if given is not None:
            kind, _, value = given.partition(" ")
            name, _, password = base64.b64decode(value).decode(errors="replace").partition(":")
            refused = kind.lower() != "basic" or (name, password) != (USER, PASSWORD)
            user = name
        scopes = " ".join(query.get("scope", [])).split()
        if urlsplit(self.path).path != "/token":
            return self.answer(404, {"errors": [{"code": "NOT_FOUND"}]}, user, scopes)
        if refused or query.get("service") != [SERVICE]:
            return self.answer(401, {"errors": [{"code": "UNAUTHORIZED"}]}, user, scopes)
        now = int(time.time())
        token = signed({
            "iss": ISSUER, "sub": user, "aud": SERVICE, "jti": uuid.uuid4().hex,
            "iat": now, "nbf": now - 5, "exp": now + LIFETIME,
            "access": [granted(scope, user) for scope in scopes],
        })
        issued = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        self.answer(200, {"token": token, "access_token": token, "expires_in": LIFETIME, "issued_at": issued}, user, scopes)

    def answer(self, status, body, user, scopes):
        data = json.dumps(body).encode()
        print(self.command, urlsplit(self.path).path, user or "-", ",".join(scopes) or "-", status, flush=True)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("listening on", "127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
