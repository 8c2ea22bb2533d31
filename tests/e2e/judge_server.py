"""An OpenAI-compatible endpoint on this machine that can be told how to judge, and to misbehave.

`Server(judge)`: judge(case) gives the text of an answer, from the two answers that the prompt shows (`case.first`,
`case.second`), or from one (`case.answer`). A fault takes over one request; faults are used up in order. Every request is
logged with its headers.
"""
import contextlib
import http.server
import json
import re
import ssl
import threading
import time
import types


def part(text, name):
    found = re.search(rf"\[\[{name} (\w+)\]\]\n(.*?)\n\[\[end of {name} \1\]\]", text, re.S)
    return found[2] if found else None


def read_case(body):
    text = body["messages"][1]["content"] if len(body["messages"]) > 1 else body["messages"][0]["content"]
    return types.SimpleNamespace(first=part(text, "answer 1"), second=part(text, "answer 2"), answer=part(text, "answer"),
                                 reference=part(text, "reference"), conversation=part(text, "conversation"), text=text,
                                 again=len(body["messages"]) > 2, body=body)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append((self.path, dict(self.headers), body))
            server.times.append(time.monotonic())
            fault = server.faults.pop(0) if server.faults else server.always
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        try:
            if fault:
                fault(self, body)
            else:
                self.complete(server.judge(read_case(body)))
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True
        finally:
            with server.lock:
                server.busy -= 1

    def complete(self, text, finish="stop", **more):
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        self.send(200, json.dumps({"id": "x", "object": "chat.completion", "model": "judge-as-served", "usage": usage,
                                   "choices": [{"index": 0, "finish_reason": finish,
                                                "message": {"role": "assistant", "content": text}}]} | more).encode())

    def send(self, status, body, headers={}):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


class Server:
    def __init__(self, judge):
        self.judge, self.faults, self.always = judge, [], None
        self.requests, self.lock = [], threading.Lock()
        self.busy = self.most_busy = self.megabytes_sent = 0
        self.times = []

    @contextlib.contextmanager
    def running(self, certificate=None):
        http_server = Quiet(("127.0.0.1", 0), Handler)
        http_server.owner = self
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            http_server.socket = context.wrap_socket(http_server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{http_server.server_address[1]}/v1"
        thread = threading.Thread(target=http_server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            http_server.shutdown()
            http_server.server_close()


# --- faults: f(handler, body) ---
def status(code, message="no", headers={}):
    return lambda h, body: h.send(code, json.dumps({"error": {"message": message}}).encode(), headers)


def raw(text, code=200):
    return lambda h, body: h.send(code, text.encode())


def answer(content):
    """A completion with this as its content, whatever its type."""
    return lambda h, body: h.complete(content)


def hang(seconds):
    def fault(h, body):
        time.sleep(seconds)
        h.close_connection = True
    return fault


def close(h, body):
    h.close_connection = True


def drip(h, body):
    """A byte now and then, for ever: no read ever times out."""
    h.send_response(200)
    h.send_header("Content-Length", "1000000")
    h.end_headers()
    for _ in range(200):
        h.wfile.write(b" ")
        h.wfile.flush()
        time.sleep(0.1)


def huge(h, body):
    h.send_response(200)
    h.send_header("Content-Length", str(1 << 31))
    h.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(200):
            h.wfile.write(b'"' + b"x" * (1 << 20))
            h.server.owner.megabytes_sent += 1
    h.close_connection = True


def lies_about_length(by):
    def fault(h, body):
        text = json.dumps({"choices": [{"message": {"content": "Verdict: 1"}}]}).encode()
        h.send_response(200)
        h.send_header("Content-Length", str(len(text) + by))
        h.end_headers()
        h.wfile.write(text)
        h.wfile.flush()
        h.close_connection = True
    return fault


# --- judges ---
def verdict(first, second):
    """The text of an examiner for whom the two answers are worth these numbers."""
    return "Some words.\nVerdict: " + ("1" if first > second else "2" if second > first else "tie")


def honest(case):
    """Knows the right answer, and nothing else counts."""
    return verdict(case.first == case.reference, case.second == case.reference)
