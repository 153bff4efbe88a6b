"""A page: a rendering whose first line says what it is and holds a digest of the rest.

So a page that was edited differs from what it says, a page that was not can be replaced, and a
file that is no page of ours is left alone.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from hashlib import blake2b

from msgspec import Struct

from waggle.base.errors import WaggleError

DIGEST_CHARS = 16
PAGE_BYTES_MAX = 16 * 1024 * 1024
MARK = "<!-- waggle:"
"""What every line of ours that is no content begins with."""
_HEAD = re.compile(r"<!-- waggle: ([a-z]+) ([0-9a-f]{16})\b[^\n]*-->\n?")


class Page(Struct, frozen=True):
    """A page as it was found."""

    name: str
    """Which one: `queue`, `facts` or `heartbeat`."""
    digest: str
    """Of the rendering that it began as."""
    body: str

    @property
    def edited(self) -> bool:
        """Whether it differs from that rendering."""
        return digest(self.name, self.body) != self.digest


def digest(name: str, body: str) -> str:
    """Give what names a rendering, as 16 hex digits."""
    text = f"waggle page\0{name}\0{body}".encode(errors="surrogatepass")
    return blake2b(text, digest_size=DIGEST_CHARS // 2).hexdigest()


def write(name: str, body: str, hint: str) -> str:
    """Give the text of a page; `hint` tells its readers what they may do with it."""
    return f"{MARK} {name} {digest(name, body)} {hint} -->\n{body}"


def read(text: str) -> Page | None:
    """Give the page that a text is, None where it is none of ours.

    The first line may be missing a byte-order mark or have lines before it; editors do such
    things. Line ends are read as newlines.
    """
    text = text.replace("\r\n", "\n")
    found = _HEAD.search(text)
    if not found:
        return None
    return Page(found[1], found[2], text[: found.start()].lstrip("\ufeff") + text[found.end() :])


def load(path: str) -> str | None:
    """Give a file's text, None where there is none; raise `invalid`, `limit`, `environment`."""
    try:
        with open(path, "rb") as file:
            data = file.read(PAGE_BYTES_MAX + 1)
        if len(data) > PAGE_BYTES_MAX:
            raise WaggleError(
                "limit",
                f"{path} is larger than {PAGE_BYTES_MAX} bytes",
                "Import a smaller file; nothing was written.",
            )
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise WaggleError(
            "invalid", f"{path} is no UTF-8, at byte {error.start}", "Save it as UTF-8."
        ) from error
    except OSError as error:
        raise WaggleError(
            "environment", f"{path} cannot be read: {error.strerror}", "Give another path."
        ) from error


def save(path: str, text: str) -> bool:
    """Write a file atomically, keeping its mode; tell whether it was different before.

    Raises `environment`. A symbolic link stays one: the file behind it is written.
    """
    if load(path) == text:
        return False
    path = os.path.realpath(path)
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else None
        handle, temporary = tempfile.mkstemp(prefix=".waggle-", dir=os.path.dirname(path))
        try:
            with open(handle, "wb") as file:
                file.write(text.encode())
            os.chmod(temporary, 0o644 if mode is None else mode)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise WaggleError(
            "environment",
            f"cannot write {path}: {error.strerror}",
            "Name another folder, or make this one writable.",
        ) from error
    return True
