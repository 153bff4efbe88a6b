"""Logs that git does not take: found one by one, and left alone for a while.

An object that fails git's own checks, or that the remote lacks, fails the fetch of everything. To
find the log that it spoils takes a fetch for each halving, and the last ones download that log
again. So what was found is remembered with the frame that the log had, and is not asked for as
long as the remote shows that frame; now and then it is, because what is missing may be put back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from waggle.sync.git.trouble import WHOLE, Trouble

PART_MAX = 500
"""Logs that one fetch names, or leaves out by name: the command line has its limits."""
LOOKS_MAX = 100
"""After so many looks at a remote all of it is asked for once more."""


class Bad(Struct, frozen=True):
    """A log that git did not take: the newest frame that the remote showed, and git's reason."""

    oid: str
    trouble: Trouble


class Untaken:
    """What git did not take, by remote and space. One thread at a time for each of these."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, Bad]] = {}
        self._looks: dict[tuple[str, str], int] = {}

    def look(self, remote: str, space: str) -> bool:
        """Count one more look at a remote; tell whether anything is to be left alone at it."""
        at = (remote, space)
        self._looks[at] = self._looks.get(at, 0) + 1
        if self._looks[at] > LOOKS_MAX:
            self._known.pop(at, None)
            self._looks[at] = 1
        return at in self._known

    def still(self, remote: str, space: str, shown: Mapping[str, str]) -> dict[str, Bad]:
        """Give what was not taken and is still the same in what the remote shows (name to frame).

        The rest is forgotten.
        """
        known = self._known.pop((remote, space), {})
        same = {name: bad for name, bad in known.items() if shown.get(name) == bad.oid}
        if same:
            self._known[remote, space] = same
        return dict(same)

    def keep(self, remote: str, space: str, found: Mapping[str, Bad]) -> None:
        """Remember what was found, and nothing else of this remote's space.

        Looks count on: whoever spoils one log after another must not keep the mended ones out.
        """
        if found:
            self._known[remote, space] = dict(list(found.items())[:PART_MAX])


def take_apart(
    fetch: Callable[[Sequence[str]], Trouble | None], wanted: Sequence[str]
) -> tuple[Trouble | None, dict[str, Trouble]]:
    """Fetch logs in parts, and halves of those where one fails.

    Gives the trouble that has nothing to do with a single log, and the logs that git does not take.
    """
    bad: dict[str, Trouble] = {}
    busy: Trouble | None = None
    parts = [wanted[at : at + PART_MAX] for at in range(0, len(wanted), PART_MAX)]
    while parts:
        names = parts.pop()
        trouble = fetch(names)
        if trouble is None:
            continue
        if trouble.kind in WHOLE:
            return trouble, bad
        half = len(names) // 2
        if half:
            parts += [names[:half], names[half:]]
        elif trouble.kind == "busy":
            busy = trouble
        elif "find remote ref" not in trouble.text:  # it went away meanwhile
            bad[names[0]] = trouble
    return busy, bad
