"""All changes to a work tree: planned first, so that a refusal leaves everything as it was."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.faces.onboarding import files
from waggle.faces.onboarding.instructions import SECTION
from waggle.faces.onboarding.parts import Edited, Part, PartError
from waggle.faces.onboarding.presets import PRESETS, Preset

Action = Literal["made", "changed", "unchanged", "taken out", "removed"]
"""A file was made; our part put in or renewed; nothing; our part taken out; the whole file removed,
which was ours alone."""


class Change(Struct, frozen=True, kw_only=True):
    """What happens to one file."""

    path: str
    """Relative to the work tree."""
    action: Action
    note: str | None = None


class _File(Struct):
    """A file, as it is and as it is to be; None where there is none."""

    path: str
    before: str | None
    after: str | None
    notes: list[str] = []

    def change(self, *, remove: bool) -> Change:
        """Give what is to be done to it."""
        action: Action = "taken out" if remove else "changed"
        if self.before == self.after:
            action = "unchanged"
        elif self.before is None:
            action = "made"
        elif self.after is None:
            action = "removed"
        return Change(path=self.path, action=action, note="; ".join(self.notes) or None)


class Plan(Struct, frozen=True):
    """Changes that can all be made."""

    files: Mapping[str, _File]
    """By where they lie, behind all symbolic links."""
    notes: tuple[str, ...]
    """What the user should know besides."""
    remove: bool

    def carry_out(self) -> list[Change]:
        """Write what differs.

        Raises at the first file that fails, with the rest undone: `environment` where it cannot be
        written, `would_lose` where somebody changed it since this was planned.
        """
        for where, file in self.files.items():
            if file.before != file.after:
                if _is_changed(where, file):
                    raise WaggleError(
                        "would_lose",
                        f"{file.path} was changed by somebody else just now",
                        "Repeat the command: what is done already stays as it is.",
                    )
                files.write(where, file.after)
        return [file.change(remove=self.remove) for file in self.files.values()]


def find_presets(names: Iterable[str]) -> list[Preset]:
    """Give the presets of these names, each once; raise `invalid` for one that is none."""
    found = []
    for name in dict.fromkeys(names):
        if name not in PRESETS:
            raise WaggleError(
                "invalid", f"no agent is known as {name!r}", f"Name one of: {', '.join(PRESETS)}."
            )
        found.append(PRESETS[name])
    return found


def plan(tree: str | None, presets: Sequence[Preset], *, remove: bool) -> Plan:
    """Give what is to be done so that a work tree has, or has not, what these agents need.

    Reads, and writes nothing. Raises `invalid` in a repository without a work tree, and where a
    file cannot be edited without loss; `environment` where one cannot be read.
    """
    if tree is None:
        raise WaggleError(
            "invalid",
            "a bare repository has no files that an agent could read",
            "Run this in a clone or a worktree of it.",
        )
    found: dict[str, _File] = {}
    notes = [] if remove else [preset.note for preset in presets if preset.note]
    for preset in presets:
        _edit(tree, preset.servers, preset.entry, found, remove=remove)
        others = _readers(tree, preset, presets) if remove else []
        if others:
            notes.append(f"{_choose(tree, preset.instructions)} stays: {', '.join(others)} read it")
        else:
            _edit(tree, preset.instructions, SECTION, found, remove=remove)
    return Plan(found, tuple(dict.fromkeys(notes)), remove)


def _choose(tree: str, paths: Sequence[str]) -> str:
    """Give the path that is there, or else the usual one."""
    return next((path for path in paths if os.path.lexists(os.path.join(tree, path))), paths[0])


def _edit(
    tree: str, paths: Sequence[str], part: Part, found: dict[str, _File], *, remove: bool
) -> None:
    """Plan one part of one file, on top of what is planned for it already."""
    path = _choose(tree, paths)
    try:
        where = files.locate(tree, path)
        if where not in found:
            text = _read(where, path)
            found[where] = _File(path, text, text)
        file = found[where]
        if not remove:
            edited = part.add(file.after)
        else:
            edited = Edited(None) if file.after is None else part.remove(file.after)
    except PartError as error:
        words = "take out what waggle put in" if remove else f"add {part.by_hand}"
        raise WaggleError(
            "invalid",
            f"{path} was left as it is: {error}",
            f"Nothing was changed. Correct it and repeat, or {words} by hand.",
        ) from error
    file.after = edited.text
    if edited.note is not None:
        file.notes.append(edited.note)


def _read(where: str, path: str) -> str | None:
    """Give a file's text; raise PartError, or `environment` where it cannot be read at all."""
    try:
        return files.read(where)
    except OSError as error:
        raise WaggleError(
            "environment",
            f"cannot read {path}: {error.strerror}",
            "Make it a file that can be read, then repeat.",
        ) from error


def _is_changed(where: str, file: _File) -> bool:
    """Tell whether a file is no longer as it was planned for."""
    try:
        return _read(where, file.path) != file.before
    except PartError:
        return True  # it was a text that could be edited


def _readers(tree: str, preset: Preset, leaving: Sequence[Preset]) -> list[str]:
    """Give the other agents that stay and read the same instructions."""
    mine = _instructions(tree, preset)
    return [
        other.name
        for other in PRESETS.values()
        if other not in leaving and _instructions(tree, other) == mine and _is_set_up(tree, other)
    ]


def _instructions(tree: str, preset: Preset) -> str:
    return os.path.realpath(os.path.join(tree, _choose(tree, preset.instructions)))


def _is_set_up(tree: str, preset: Preset) -> bool:
    try:
        text = files.read(files.locate(tree, _choose(tree, preset.servers)))
        return text is not None and preset.entry.holds(text)
    except (PartError, OSError):
        return False  # what cannot be read was not set up by waggle
