"""The names under which messages travel: `waggle/1/<space key>/<replica>/<what>`.

The space key is a digest of project and space. Two projects on one network never mix, although
both have a space `main`, and a bystander reads neither name off the wire. It is no secret: whoever
is let into the network can listen to everything.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import check_space, is_hex, is_replica

ROOT = "waggle/1"
SPACE_KEY_CHARS = 32
SAID: Final = "said"
FRAME: Final = "frame"
HELLO: Final = "hello"
BEAT: Final = "beat"
KINDS = (SAID, FRAME, HELLO, BEAT)
"""What is published; `wire` has a message for each."""
ASK = "ask"
"""Where a node is asked for what it holds."""
HERE = "here"
"""The token that stands as long as a node does."""
PROJECT_CHARS = range(16, 65)


class Key(Struct, frozen=True):
    """The parts of a key. The replica is the node that speaks or is asked, as it says itself."""

    space: str
    """A space key."""
    replica: str
    what: str

    def text(self) -> str:
        """Give the key as Zenoh writes it."""
        return f"{ROOT}/{self.space}/{self.replica}/{self.what}"


def space_key(project: str, space: str) -> str:
    """Give the key of a project's space as 32 hex digits; raise `invalid` on a bad name.

    `project` is 16 to 64 lower-case hex digits that all clones of one project share.
    """
    if len(project) not in PROJECT_CHARS or not is_hex(project, len(project)):
        raise WaggleError(
            "invalid", f"{project!r} is no project id", "Give 16 to 64 lower-case hex digits."
        )
    name = f"waggle live\0{project}\0{check_space(space)}"
    return blake2b(name.encode(), digest_size=SPACE_KEY_CHARS // 2).hexdigest()


def everyone(space: str, what: str) -> str:
    """Give the expression that all nodes' keys for `what` in one space match."""
    return f"{ROOT}/{space}/*/{what}"


def parse(text: str) -> Key | None:
    """Give the parts of a key, None where it is not of our form: a stranger may write anything.

    A publisher may also use an expression with wildcards, which is refused likewise.
    """
    parts = text.split("/")
    if len(parts) != 5 or f"{parts[0]}/{parts[1]}" != ROOT:
        return None
    space, replica, what = parts[2:]
    if not (is_hex(space, SPACE_KEY_CHARS) and is_replica(replica)):
        return None
    return Key(space, replica, what) if what in (*KINDS, ASK, HERE) else None
