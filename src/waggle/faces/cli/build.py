"""Commands made from operations: one request field, one argument or option."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import click
import msgspec
from msgspec import Meta, Struct

from waggle.agents.events import Event
from waggle.base.errors import WaggleError
from waggle.faces import machine
from waggle.faces.cli.output import escaped, say, visible
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import NAMES, READS, Operation, find, to_json
from waggle.faces.session import Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Give what a shell can complete a value to."""
    from waggle.faces.cli.completion import words

    return words(ctx, param, incomplete)


COMMON = (
    click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
    click.Option(
        ["--space"], metavar="NAME", help="The space; default WAGGLE_SPACE, else main.",
        shell_complete=_complete,
    ),
)  # fmt: skip
READING = (
    click.Option(
        ["--after"], multiple=True, metavar="TOKEN",
        help="Wait until what this token names is here: a write's, or an earlier read's.",
    ),
    click.Option(
        ["--wait"], type=float, default=10.0, show_default=True, metavar="S",
        help="How many seconds --after waits at most; 0 only looks.",
    ),
    click.Option(["--token", "wants_token"], is_flag=True, help="Print a token of what this read."),
)  # fmt: skip
WRITING = (
    click.Option(["--key"], metavar="KEY", help="Idempotency key: repeats give the first result."),
    click.Option(["--as", "acting"], metavar="NAME", help="Who acts; default WAGGLE_AGENT or you."),
    click.Option(["--model"], metavar="NAME", help="The agent's model; default WAGGLE_MODEL."),
    click.Option(["--vendor"], metavar="NAME", help="The model's vendor; default WAGGLE_VENDOR."),
)


def _between(
    kind: type[int | float], least: float | None, most: float | None
) -> Callable[[str], int | float]:
    """Give what reads a number between two bounds; `nan` lies between none."""
    low = -math.inf if least is None else least
    high = math.inf if most is None else most

    def number(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is no number of this kind.") from error
        if not low <= value <= high:
            most = "" if high == math.inf else f" and at most {high}"
            raise click.BadParameter(f"{text} is out of bounds: give at least {low}{most}.")
        return value

    return number


def _parameter(name: str, hint: Any, *, required: bool, default: object) -> click.Parameter:  # noqa: ANN401 - a type hint
    base, meta = hint, Meta()
    if get_args(hint) and isinstance(get_args(hint)[-1], Meta):
        base, meta = get_args(hint)[0], get_args(hint)[-1]
    extra = meta.extra or {}
    inner = [part for part in get_args(base) if part is not type(None)]
    many = get_origin(base) is tuple
    kind: Any = inner[0] if inner and get_origin(base) is not Literal else base
    if get_origin(base) is Literal:
        kind = click.Choice([str(value) for value in get_args(base)])
    if extra.get("positional"):
        count = -1 if many else 1
        return click.Argument(
            [name],
            required=required,
            metavar=extra["metavar"],
            nargs=count,
            shell_complete=_complete,
        )
    flag = f"--{name.replace('_', '-')}" if len(name) > 1 else f"-{name}"
    if kind in {int, float} and (meta.ge is not None or meta.le is not None):
        kind = _between(kind, meta.ge, meta.le)
    if kind is bool:
        return click.Option([flag, name], is_flag=True, help=meta.description)
    # Click takes any default for a value, None too: then nothing would be required.
    fallback: dict[str, Any] = {} if required else {"default": default}
    return click.Option(
        [flag, name],
        type=kind,
        multiple=many,
        required=required,
        metavar=extra.get("metavar"),
        **fallback,
        show_default=isinstance(default, int | float | str) and default != "",
        help=meta.description,
        shell_complete=_complete,
    )


def parameters(operation: Operation) -> list[click.Parameter]:
    """Give the command's parameters, the request's first."""
    hints = get_type_hints(operation.request, include_extras=True)
    made = [
        _parameter(
            field.name,
            hints[field.name],
            required=field.required,
            default=None if field.default is msgspec.NODEFAULT else field.default,
        )
        for field in msgspec.structs.fields(operation.request)
    ]
    special = WRITING if operation.write else READING if operation.name in READS else ()
    return [*made, *special, *COMMON]


class _Family(click.Group):
    """A command that is also the first word of others, as `members` is of `members trust`."""

    def __init__(self, first: str, **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(invoke_without_command=True, **settings)
        self._prefix = f"{first} "

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the others in the order of the registry."""
        del ctx
        return [name.removeprefix(self._prefix) for name in NAMES if name.startswith(self._prefix)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one of the others."""
        known = cmd_name in self.list_commands(ctx)
        return command(find(f"{self._prefix}{cmd_name}")) if known else None


def _refuse_options(ctx: click.Context) -> None:
    """Raise where options stand between the two words of a command: they would be lost."""
    given = click.core.ParameterSource.COMMANDLINE
    if any(ctx.get_parameter_source(name) is given for name in ctx.params):
        whole = f"{ctx.info_name} {ctx.invoked_subcommand}"
        raise click.UsageError(f"options of `{whole}` stand after these words", ctx)


def command(operation: Operation) -> click.Command:
    """Make the click command of an operation."""

    def callback(**values: Any) -> None:  # noqa: ANN401 - whatever click read
        context = click.get_current_context()
        if context.invoked_subcommand is not None:
            return _refuse_options(context)
        as_json = bool(values.pop("as_json"))
        names = ("space", "key", "acting", "model", "vendor")
        common = {name: values.pop(name, None) for name in names}
        session = _session(values) if operation.name in READS else Session()
        sys.exit(run(operation, values, common, session, as_json=as_json))

    settings: dict[str, Any] = {
        "name": operation.name.rpartition(" ")[2],
        "callback": callback,
        "params": parameters(operation),
        "help": f"{operation.about}\n\nExample:\n\n\b\n  {operation.example}",
        "short_help": operation.about.partition(". ")[0].rstrip("."),
    }
    if any(name.startswith(f"{operation.name} ") for name in NAMES):
        return _Family(operation.name, **settings)
    return click.Command(**settings)


def _session(values: dict[str, Any]) -> Session:
    """Take what a read was told of its session out of the command's values."""
    return Session(
        after=tuple(values.pop("after")),
        wait_s=values.pop("wait"),
        wants_token=values.pop("wants_token"),
    )


def run(
    operation: Operation,
    values: dict[str, Any],
    common: dict[str, Any],
    session: Session,
    *,
    as_json: bool,
) -> int:
    """Run an operation for the command line and give the exit status."""
    listen, finish = _listener(operation, as_json=as_json)
    context = Context(
        cwd=os.getcwd(), environ=os.environ, outside=machine.outside(), listen=listen, **common
    )
    try:
        session.begin(context)
        result = operation.run(context, operation.request(**values))
        token = session.end(context, operation)
    except WaggleError as error:
        finish()
        return report(error, as_json=as_json)
    except UnicodeEncodeError as error:
        finish()
        return report(_no_text(error), as_json=as_json)
    finally:
        context.close()
    finish()
    _print(operation, result, token, as_json=as_json)
    return operation.status(result)


def _no_text(error: UnicodeEncodeError) -> WaggleError:
    """Give the error for an argument with bytes that are no UTF-8, which Python brings so far."""
    words = error.object[max(0, error.start - 20) : error.start]
    return WaggleError(
        "invalid",
        f"a text holds bytes that are no UTF-8, after {words!r}",
        "Give the text as UTF-8; nothing was written.",
    )


def _print(operation: Operation, result: Struct, token: str | None, *, as_json: bool) -> None:
    if as_json:
        say(escaped(to_json(result, token).decode()))
        return
    for row in operation.show(result):
        say(visible(row))
    if token is not None and not operation.write:
        say(token)


def _listener(
    operation: Operation, *, as_json: bool
) -> tuple[Callable[[Event], None], Callable[[], None]]:
    """Give who listens to long work: JSON lines, a live table, or plain lines."""
    if operation.name == "up" and not as_json:
        return _print_event, lambda: None
    if operation.name in {"sync", "check"} and not as_json and sys.stderr.isatty():
        return _print_progress, lambda: None
    if operation.name not in {"race", "demo", "up"}:
        return (lambda _event: None), (lambda: None)
    if as_json:

        def line(event: Event) -> None:
            say(escaped(msgspec.json.encode(event).decode()))

        return line, lambda: None
    from waggle.faces.cli.table import plain_or_live

    return plain_or_live()


def _print_event(event: Event) -> None:
    """Print what happens in a node, one line each."""
    say(visible(f"{machine.clock_time()}  {event.event:<8} {event.message or ''}"))


def _print_progress(event: Event) -> None:
    """Tell a person who waits how far it is; what a program reads is on standard output."""
    sys.stderr.write(visible(f"{event.message or ''}") + "\n")


def report(error: WaggleError, *, as_json: bool) -> int:
    """Print an error where its reader looks, and give its exit status."""
    if as_json:
        body = {"ok": False, "error": error.to_dict()}
        say(escaped(msgspec.json.encode(body).decode()))
    else:
        doubt = "" if error.kind.definite else " It may have happened."
        words = visible(f"waggle: {error.message}.{doubt}"), visible(error.next_step)
        sys.stderr.write("\n".join(words) + "\n")
    return error.kind.status


def usage(error: click.UsageError, arguments: Sequence[str]) -> int:
    """Report words that click could not read, in waggle's own form."""
    words = error.format_message()
    next_step = "See `waggle --help`."
    if error.ctx is not None:
        next_step = f"See `{error.ctx.command_path} --help`."
    problem = WaggleError("usage", words.rstrip("."), next_step)
    return report(problem, as_json="--json" in arguments)
