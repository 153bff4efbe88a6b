"""What renderings showed, kept in the store so that an edited page can be held against it."""

from __future__ import annotations

import os

import msgspec

from waggle.base.ids import check_space, is_hex
from waggle.faces.files.page import DIGEST_CHARS
from waggle.faces.files.queue import Snapshot
from waggle.store.disk import write_private

DIR = "rendered"
KEPT_MAX = 64
"""Renderings that are kept, the newest ones; each has some hundred bytes for a line."""
_decoder = msgspec.json.Decoder(Snapshot)


def _folder(store_dir: str, space: str) -> str:
    return os.path.join(store_dir, DIR, check_space(space))


def load(store_dir: str, space: str, digest: str) -> Snapshot | None:
    """Give what a rendering showed; None where it is not kept (any more), or was made elsewhere."""
    if not is_hex(digest, DIGEST_CHARS):
        return None
    try:
        with open(os.path.join(_folder(store_dir, space), f"{digest}.json"), "rb") as file:
            return _decoder.decode(file.read())
    except (FileNotFoundError, msgspec.DecodeError):
        return None  # it was never written whole: the page can be rendered anew


def save(store_dir: str, space: str, digest: str, snapshot: Snapshot) -> None:
    """Keep what a rendering showed; raise `environment`."""
    folder = _folder(store_dir, space)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{digest}.json")
    write_private(path, msgspec.json.encode(snapshot).decode())
    pages = [one.path for one in os.scandir(folder) if one.name.endswith(".json")]
    pages.sort(key=os.path.getmtime)
    for old in pages[:-KEPT_MAX]:
        os.remove(old)
