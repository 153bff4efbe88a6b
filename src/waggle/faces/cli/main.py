"""The `waggle` command: groups and commands, loaded only when they are used."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from waggle import __version__
from waggle.base.errors import KINDS, WaggleError
from waggle.faces.cli import build
from waggle.faces.cli.output import say
from waggle.faces.ops import registry
from waggle.faces.ops.completion import VARIABLE
from waggle.faces.signals import ending

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

ABOUT = """waggle: many agents, one git repository, nothing lost.

Every replica appends to its own log in git; a vote is a write; every reader computes the choice
from what it has. Start with `waggle init`, then `waggle race`.
"""


class Operations(click.Group):
    """A group whose commands are operations with a common first word."""

    def __init__(self, name: str | None, prefix: str, about: str) -> None:
        super().__init__(name, help=about)
        self.prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the commands in the order of the registry."""
        del ctx
        own = [name for name in registry.NAMES if name.startswith(self.prefix)]
        return list(dict.fromkeys(name.removeprefix(self.prefix).split(" ")[0] for name in own))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        whole = f"{self.prefix}{cmd_name}"
        if whole in registry.NAMES:
            return build.command(registry.find(whole))
        if cmd_name in self.list_commands(ctx):
            return Operations(cmd_name, f"{whole} ", f"Commands on a {cmd_name}.")
        return None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Give the commands' names alone: for more than names all of them would be loaded."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*map(CompletionItem, names), *options]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say what the exit statuses mean."""
        del ctx
        by_status: dict[int, list[str]] = {}
        for code, kind in KINDS.items():
            by_status.setdefault(kind.status, []).append(code)
        rows = [(str(status), ", ".join(codes)) for status, codes in sorted(by_status.items())]
        with formatter.section("Exit status"):
            formatter.write_dl([("0", "done"), *rows])


def main(arguments: Sequence[str]) -> int:
    """Run the command line and give the exit status."""
    for number in ending():
        signal.signal(number, signal.default_int_handler)
    group = Operations("waggle", "", ABOUT)
    click.version_option(__version__, prog_name="waggle", message="%(prog)s %(version)s")(group)
    if VARIABLE in os.environ:
        from waggle.faces.cli.completion import answer

        return answer(group, os.environ)
    try:
        with group.make_context("waggle", list(arguments)) as context:
            group.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
    except click.UsageError as error:
        return build.usage(error, arguments)
    except (KeyboardInterrupt, click.Abort):
        stopped = WaggleError("interrupted", "stopped", "Repeat the command; writes take --key.")
        return build.report(stopped, as_json="--json" in arguments)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is wrong, and nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # noqa: BLE001 - a defect is told in the form of every error
        traceback.print_exc()
        what = f"{type(error).__name__}: {error}"
        defect = WaggleError("internal", what, "Please report it with the lines on standard error.")
        return build.report(defect, as_json="--json" in arguments)
    return 0
