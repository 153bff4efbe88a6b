"""Git hosts for tests: bare repositories served over HTTP by git's own backend, on loopback."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

_META = ("CONTENT_TYPE", "HTTP_CONTENT_ENCODING", "HTTP_GIT_PROTOCOL")


class Host:
    """A running host: where it is, and how it behaves from now on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = ""
        self.user: str | None = None
        """`name:password` that every request has to bring; None lets everybody in."""
        self.status = 0
        """An HTTP status that every request gets instead of an answer; 0 for none."""
        self.words = ""
        self.hold = threading.Event()
        """While it is clear, requests wait."""
        self.hold.set()
        self.requests: list[str] = []

    def address(self, name: str) -> str:
        """Give the URL of a repository."""
        return f"{self.url}/{name}"


class _Handler(BaseHTTPRequestHandler):
    host: ClassVar[Host]
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        host = self.host
        host.requests.append(self.path)
        host.hold.wait()
        wanted = host.user and "Basic " + base64.b64encode(host.user.encode()).decode()
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="host"')
            self.end_headers()
        elif host.status:
            self.send_response(host.status, host.words or None)
            self.end_headers()
            self.wfile.write(host.words.encode())
        else:
            self._backend()

    def _backend(self) -> None:
        """Run `git http-backend` as a CGI program (RFC 3875)."""
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.host.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "tester",
            "REMOTE_ADDR": "127.0.0.1",
        }
        for name in _META:
            header = name.removeprefix("HTTP_").replace("_", "-")
            if value := self.headers.get(header):
                env[name] = value
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=env, capture_output=True, check=False
        )
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        fields = dict(row.split(": ", 1) for row in head.decode().split("\r\n") if ": " in row)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)


@contextmanager
def http_host(root: Path) -> Iterator[Host]:
    """Serve the bare repositories in a folder until the context ends."""
    host = Host(root)
    handler = type("Handler", (_Handler,), {"host": host})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield host
    finally:
        host.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


def bare(path: Path, *, hook: str = "") -> Path:
    """Make a bare repository that takes pushes over HTTP, with an update hook if one is given."""
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    subprocess.run(["git", "-C", str(path), "config", "http.receivepack", "true"], check=True)
    if hook:
        script = path / "hooks" / "update"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{hook}\n")
        script.chmod(0o755)
    return path
