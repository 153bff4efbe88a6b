"""A client that is none: it writes lines to a server and reads lines."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

from tests.race.field import PATIENCE_S, Field

_HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "wire", "version": "1"},
}


class Wire:
    """A server's process, by its pipes."""

    def __init__(self, field: Field) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "waggle", "mcp"],
            cwd=field.top,
            env=field.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said = ""
        self._last = 0
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        assert "serverInfo" in self.ask("initialize", _HELLO)["result"]
        self.tell("initialized", {})

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self._said = self.process.stderr.read()

    def close(self) -> None:
        """End what a failed test left, and close the pipes."""
        self.process.kill()
        self.process.wait()
        self._listener.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def send(self, line: str) -> None:
        """Write a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Read a message; whatever is none fails the test."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the server has ended"
        found: dict[str, Any] = json.loads(line)
        assert found["jsonrpc"] == "2.0"
        return found

    def begin(self, method: str, params: object) -> int:
        """Send a request and give its id."""
        self._last += 1
        request = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        self.send(json.dumps(request))
        return self._last

    def tell(self, what: str, params: object) -> None:
        """Send a notification."""
        method = f"notifications/{what}"
        self.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))

    def ask(self, method: str, params: object) -> dict[str, Any]:
        """Send a request and give its answer, skipping those to others."""
        asked = self.begin(method, params)
        while (answer := self.receive()).get("id") != asked:
            continue
        return answer

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool, which must succeed."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]
        assert not result.get("isError"), result
        found: dict[str, Any] = result["structuredContent"]
        return found

    def ended(self) -> tuple[int, str, str]:
        """Wait for the end and give exit status, the rest of standard output, standard error."""
        assert self.process.stdout is not None
        rest = self.process.stdout.read()
        return self.process.wait(PATIENCE_S), rest, self.complaints()

    def complaints(self) -> str:
        """Give what a server that has ended said on standard error."""
        self._listener.join(PATIENCE_S)
        return self._said

    def leave(self) -> tuple[int, str, str]:
        """Close standard input, as clients leave, and wait for the end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.ended()
