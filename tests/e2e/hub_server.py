"""A hub and its storage server, over TLS with a certificate authority of their own, that can be told to misbehave.

The hub answers on localhost as https://huggingface.co does: revision, tree (in pages), resolve; files in large-file storage
are redirected to the storage server on 127.0.0.1, another host to a client. Every request is logged. A fault is a function
that takes over one request for a path; faults of a path are used up in order.
"""
import contextlib
import gzip
import hashlib
import http.server
import json
import re
import ssl
import subprocess
import threading
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "some-one/tiny.model"


def make_certificates(folder):
    """ca.pem, which a client has to trust, and server.pem, signed by it for localhost and 127.0.0.1."""
    def run(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-days", "2", "-subj", "/CN=test authority", "-addext", "basicConstraints=critical,CA:TRUE")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    (folder / "other").write_text("subjectAltName=DNS:elsewhere.example\n")
    for name, extensions in (("server", "names"), ("stranger", "other")):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", "/CN=localhost" if name == "server" else "/CN=elsewhere.example")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", extensions, "-out", f"{name}.crt")
        (folder / f"{name}.pem").write_text((folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        hub = self.server.hub
        path = urllib.parse.unquote(self.path)
        with hub.lock:
            hub.requests.append((self.server.role, path, dict(self.headers)))
            waiting = hub.faults.get((self.server.role, path.split("?")[0]), [])
            fault = waiting.pop(0) if waiting else None
        try:
            if fault:
                fault(self)
            elif self.server.role == "hub":
                self.answer_hub(hub, path)
            else:
                self.answer_storage(hub, path)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def answer_hub(self, hub, path):
        repo = f"/api/models/{hub.repo}"
        if path.startswith(f"{repo}/revision/"):
            if path.removeprefix(f"{repo}/revision/") not in ("main", COMMIT, "refs/pr/1"):
                return self.send(404, b'{"error":"no"}', {"X-Error-Code": "RevisionNotFound"})
            return self.send(200, json.dumps({"id": hub.repo, "sha": COMMIT}).encode())
        if path.startswith(f"{repo}/tree/{COMMIT}"):
            first = int(re.search(r"cursor=(\d+)", path)[1]) if "cursor=" in path else 0
            page = hub.tree()[first : first + hub.page_size]
            more = first + hub.page_size < len(hub.tree())
            link = {"Link": f'<{hub.endpoint}{repo}/tree/{COMMIT}?recursive=true&cursor={first + hub.page_size}>; rel="next"'} if more else {}
            return self.send(200, json.dumps(page).encode(), link)
        name = path.removeprefix(f"/{hub.repo}/resolve/{COMMIT}/")
        if name == path or name not in hub.files:
            return self.send(404, b"no", {"X-Error-Code": "RepoNotFound" if name == path else "EntryNotFound"})
        if name in hub.stored:
            sha = hashlib.sha256(hub.files[name]).hexdigest()
            return self.send(302, b"", {"Location": f"{hub.storage}/{sha}/{urllib.parse.quote(name)}?signature=secret", "X-Linked-Etag": f'"{sha}"'})
        return self.send_file(hub.files[name])

    def answer_storage(self, hub, path):
        name = path.split("?")[0].split("/", 2)[2]
        self.send_file(hub.files[name]) if name in hub.files else self.send(404, b"no")

    def send(self, status, body, headers={}):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, body, etag=None, limit=None, ranges=True):
        """As a careful server does; `limit`: the connection ends after so many bytes of the body."""
        etag = etag or f'"{hashlib.md5(body).hexdigest()}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        headers = {"ETag": etag}
        status = 200
        if asked and ranges and (condition is None or condition == etag):
            first = int(asked[1])
            if first >= len(body):
                return self.send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            status, headers["Content-Range"] = 206, f"bytes {first}-{len(body) - 1}/{len(body)}"
            body = body[first:]
        if limit is None:
            return self.send(status, body, headers)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:limit])
        self.wfile.flush()
        self.close_connection = True

    def file(self):
        """The content that stands behind the path, whichever server was asked."""
        path = urllib.parse.unquote(self.path.split("?")[0])
        return self.server.hub.files[path.split("/", 2)[2] if self.server.role == "storage" else path.split(f"/resolve/{COMMIT}/")[1]]


# --- faults ---
def cut(limit):
    return lambda h: h.send_file(h.file(), limit=limit)


def status(code, headers={}):
    return lambda h: h.send(code, b"<html>an error page</html>", headers)


def redirect(location, code=302):
    return lambda h: h.send(code, b"", {"Location": location})


def ignore_range(h):
    h.send_file(h.file(), ranges=False)


def wrong_bytes(h):
    body = h.file()
    h.send_file(body[:-1] + bytes([body[-1] ^ 1]))


def too_short(h):
    h.send_file(h.file()[:-7])


def too_long(h):
    h.send_file(h.file() + b"more")


def chunked(h):
    """Without a length; the terminating chunk is missing when the client has no other means to see the end."""
    body = h.file() + b"and still more"
    h.send_response(200)
    h.send_header("Transfer-Encoding", "chunked")
    h.end_headers()
    h.wfile.write(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")


def zipped(h):
    h.send(200, gzip.compress(h.file()), {"Content-Encoding": "gzip"})


def stall(limit, seconds):
    def fault(h):
        body = h.file()
        h.send_response(200)
        h.send_header("Content-Length", str(len(body)))
        h.send_header("ETag", '"stalled"')
        h.end_headers()
        h.wfile.write(body[:limit])
        h.wfile.flush()
        h.server.hub.released.wait(seconds)
        h.close_connection = True

    return fault


def changed_etag(h):
    """A resumed transfer finds another file behind the address: If-Range then gives the whole of it."""
    h.send_file(h.file(), etag='"another"')


def wrong_range(h):
    body = h.file()
    h.send(206, body[5:], {"Content-Range": f"bytes 5-{len(body) - 1}/{len(body)}"})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub, role, host, certificate):
        super().__init__((host, 0), Handler)
        self.hub, self.role = hub, role
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.context = context

    def finish_request(self, request, client_address):  # in the request's own thread: a handshake may hang
        with contextlib.suppress(ssl.SSLError, OSError):
            super().finish_request(self.context.wrap_socket(request, server_side=True), client_address)

    def handle_error(self, *_):
        pass


class Hub:
    def __init__(self, certificates, certificate="server.pem"):
        self.repo, self.files, self.stored, self.extra = REPO, {}, set(), []
        self.page_size = 1000
        self.lock, self.requests, self.faults = threading.Lock(), [], {}
        self.released = threading.Event()
        self.servers = [Server(self, "hub", "127.0.0.1", certificates / certificate), Server(self, "storage", "127.0.0.1", certificates / certificate)]
        self.endpoint = f"https://localhost:{self.servers[0].server_port}"
        self.storage = f"https://127.0.0.1:{self.servers[1].server_port}"
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.released.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def add(self, name, body, stored=False):
        self.files[name] = body
        if stored:
            self.stored.add(name)

    def fault(self, name, *faults, role=None):
        """The next requests for a file, at the server that has its bytes."""
        role = role or ("storage" if name in self.stored else "hub")
        path = f"/{hashlib.sha256(self.files[name]).hexdigest()}/{name}" if role == "storage" else f"/{self.repo}/resolve/{COMMIT}/{name}"
        self.faults.setdefault((role, path), []).extend(faults)

    def tree(self):
        entries = [{"type": "directory", "path": "onnx", "oid": "0" * 40, "size": 0}]
        for name, body in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
            entry = {"type": "file", "path": name, "oid": blob, "size": len(body)}
            if name in self.stored:
                entry["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
            entries.append(entry)
        return entries + self.extra

    def asked(self, part):
        """Requests whose path holds `part`."""
        with self.lock:
            return [r for r in self.requests if part in r[1]]
