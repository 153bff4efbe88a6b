"""`completion`: the script with which a shell completes waggle's commands, options and ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg

PROGRAM = "waggle"
VARIABLE = "_WAGGLE_COMPLETE"
"""Set by the scripts when they ask `waggle` for words."""
SHELLS = ("bash", "zsh", "fish")


class CompletionRequest(Struct, frozen=True, kw_only=True):
    """Print the script."""

    shell: Annotated[str, arg("SHELL", "bash (4.4 or newer), zsh or fish")]


class Completion(Struct, frozen=True, kw_only=True):
    """A script for a shell to load at its start."""

    shell: str
    script: str


def _completion(_ctx: Context, request: CompletionRequest) -> Completion:
    from click import Command
    from click.shell_completion import ShellComplete, get_completion_class

    shell = request.shell
    made = get_completion_class(shell) if shell in SHELLS else None
    if made is None:
        raise WaggleError(
            "invalid", f"no script for {shell!r}", f"Name one of: {', '.join(SHELLS)}."
        )
    # Bash's own `source` runs bash to see how old it is; a script can be printed without.
    script = ShellComplete.source(made(Command(PROGRAM), {}, PROGRAM, VARIABLE))
    return Completion(shell=shell, script=script)


def _show(result: Completion) -> Iterator[str]:
    yield from result.script.splitlines()


COMPLETION = Operation(
    name="completion",
    request=CompletionRequest,
    run=_completion,
    show=_show,
    about="Print a script with which a shell completes commands, options and ids.",
    example="waggle completion bash",
)
