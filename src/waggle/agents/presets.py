"""The commands with which the usual coding agents run unattended, and the way a prompt gets in.

Each preset runs without asking, edits files in its working directory and keeps every other check
that its agent has: none switches off a sandbox or all permission checks. Several of these agents
therefore run no command that nobody approved beforehand; who wants more writes the whole command
line, or allows commands in the agent's own settings.

The prompt always goes to standard input, which has no limit of length, is not listed among the
processes and is never parsed. An argument holds it only where ``{prompt}`` stands, for agents that
read no standard input; it is then data within one argument, and no shell ever sees it.

Left out: cursor-agent, which without ``--force`` (commands are allowed unless denied) only proposes
its edits; amp and goose, for which no official page was found that lets edits alone pass
unattended. Each can be given as a command line.
"""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath, PureWindowsPath
from typing import Literal

import msgspec

PROMPT = "{prompt}"
"""Where the prompt is to stand within an argument."""

ARGUMENT_BYTES_MAX = 131_071
"""The longest argument that Linux passes on (MAX_ARG_STRLEN less the closing NUL)."""


_INTERPRETER = re.compile(
    r"(python|pypy|node|deno|bun|ruby|perl|php|bash|dash|zsh|sh|uv|npx)[0-9.]*"
)

_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_.:-]{0,63})=(?!=)(.+)", re.DOTALL)
"""`NAME=COMMAND`: a command line with a name of the user's own."""
_SCRIPT = re.compile(r"[^\s-][^\s]*\.[A-Za-z0-9]+")


class AgentCommandError(ValueError):
    """What was given as an agent is no command that can be run; nothing was started."""


class PromptError(ValueError):
    """This prompt cannot be passed to this command; nothing was started."""


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's documented unattended command."""

    name: str
    argv: tuple[str, ...]
    prompt: Literal["stdin", "argument"]
    """How the agent takes its prompt."""
    model_flag: str | None
    """The option that is followed by a model's name."""
    vendor: str
    source: str
    """The official page, or the source file, that states this use."""
    note: str
    """What the agent may do without asking, and what its runner has to know."""


class AgentCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command to run as an agent."""

    name: str
    """What is shown, e.g. "claude:opus", or the program's name without its directory."""
    argv: tuple[str, ...]
    """Program and arguments. Invariant: never empty, and the program's name is not."""
    prompt_in: Literal["stdin", "argument"]
    """"argument" if an argument holds PROMPT; standard input gets the prompt in either case."""
    model: str | None
    vendor: str | None


PRESETS: tuple[Preset, ...] = (
    Preset(
        name="aider",
        argv=(
            "aider",
            "--yes-always",
            "--no-auto-commits",
            "--no-dirty-commits",
            "--no-gitignore",
            "--no-check-update",
            "--message",
            PROMPT,
        ),
        prompt="argument",
        model_flag="--model",
        vendor="Aider",
        source="https://aider.chat/docs/config/options.html",
        note="Edits files; proposed shell commands are not run. Keeps its history in .aider* files "
        "in the working directory, which are no part of the result.",
    ),
    Preset(
        name="claude",
        argv=("claude", "-p", "--permission-mode", "acceptEdits"),
        prompt="stdin",
        model_flag="--model",
        vendor="Anthropic",
        source="https://docs.claude.com/en/docs/claude-code/headless",
        note="Edits files in the working directory; other commands run only if its settings or "
        "--allowedTools allow them.",
    ),
    Preset(
        name="codex",
        argv=("codex", "exec", "--sandbox", "workspace-write", "-"),
        prompt="stdin",
        model_flag="--model",
        vendor="OpenAI",
        source="https://developers.openai.com/codex/noninteractive",
        note="Edits files and runs commands in a sandbox without network that may write to the "
        "working directory. --full-auto, once its short form, is deprecated.",
    ),
    Preset(
        name="copilot",
        argv=("copilot", "-s", "--no-ask-user", "--allow-tool=write"),
        prompt="stdin",
        model_flag="--model",
        vendor="GitHub",
        source="https://docs.github.com/en/copilot/how-tos/copilot-cli/automate-copilot-cli/run-cli-programmatically",
        note="Edits files; shell commands run only if --allow-tool allows them.",
    ),
    Preset(
        name="gemini",
        argv=("gemini", "--approval-mode", "auto_edit"),
        prompt="stdin",
        model_flag="--model",
        vendor="Google",
        source="https://geminicli.com/docs/cli/cli-reference",
        note="Edits files; other tools need its policies. Not run at a terminal it is headless by "
        "itself, and --prompt would only be appended to standard input. Where folder trust is on, "
        "an untrusted worktree ends it with an error.",
    ),
    Preset(
        name="opencode",
        argv=("opencode", "run"),
        prompt="stdin",
        model_flag="--model",
        vendor="OpenCode",
        source="https://github.com/anomalyco/opencode/blob/dev/packages/opencode/src/cli/cmd/run.ts",
        note="Edits files and runs commands as its permission settings say, by default within the "
        "working directory without asking. It takes that directory from the variable PWD, so PWD "
        "must be set to the worktree. A model is named provider/model.",
    ),
    Preset(
        name="qwen",
        argv=("qwen", "--approval-mode", "auto-edit"),
        prompt="stdin",
        model_flag="--model",
        vendor="Alibaba",
        source="https://qwenlm.github.io/qwen-code-docs/en/users/features/headless",
        note="Edits files and runs read-only commands; others are not run.",
    ),
)

_BY_NAME = {preset.name: preset for preset in PRESETS}


def resolve(spec: str) -> AgentCommand:
    """The command for what the user named as an agent.

    `spec` is a preset's name ("claude"), a preset's name and a model ("claude:opus"), or anything
    else: a command line, split into words as a POSIX shell would, with nothing expanded. A preset's
    name with words after it is such a command line, run as it stands ("claude --version"): half a
    preset would hide what is run.

    Raises AgentCommandError for an empty command, quotes that are not closed, a NUL, an empty
    model, or a model for what is no preset.

    `NAME=COMMAND` gives a command line a name of one's own; otherwise it is named after its
    program, or its script.
    """
    name, colon, model = spec.strip().partition(":")
    preset = _BY_NAME.get(name)
    if preset and not any(map(str.isspace, model)):
        if colon and not model:
            raise AgentCommandError(f"No model after {name}: — write {name}:MODEL or {name} alone.")
        return _from_preset(preset, model or None)
    return _from_words(spec)


def with_prompt(command: AgentCommand, prompt: str) -> tuple[tuple[str, ...], bytes]:
    """The program with its arguments, and what to write to its standard input (UTF-8).

    Every PROMPT within an argument becomes the prompt, once: a prompt that holds PROMPT itself is
    left as it is. The program's own name is never changed.

    Raises PromptError if the prompt has a surrogate; and, when an argument is to hold it, if it
    has a NUL or makes the argument longer than ARGUMENT_BYTES_MAX bytes.
    """
    try:
        stdin = prompt.encode()
    except UnicodeEncodeError as error:
        raise PromptError("The prompt is no valid text: read it as UTF-8.") from error
    program, *arguments = command.argv
    if any(PROMPT in argument for argument in arguments):
        _check_argument(command, prompt)
    filled = tuple(argument.replace(PROMPT, prompt) for argument in arguments)
    if any(
        len(new.encode(errors="surrogateescape")) > ARGUMENT_BYTES_MAX
        for old, new in zip(arguments, filled, strict=True)
        if PROMPT in old
    ):
        raise PromptError(
            f"The prompt is too long for an argument of {command.name} (at most "
            f"{ARGUMENT_BYTES_MAX} bytes): shorten it, or use an agent that reads standard input."
        )
    return (program, *filled), stdin


def _check_argument(command: AgentCommand, prompt: str) -> None:
    if "\0" in prompt:
        raise PromptError(
            f"{command.name} takes its prompt as an argument, which cannot hold a NUL: remove it."
        )


def _from_preset(preset: Preset, model: str | None) -> AgentCommand:
    argv = preset.argv
    name = preset.name
    if model is not None:
        if preset.model_flag is None:
            raise AgentCommandError(f"{name} takes no model: write {name} alone.")
        if model.startswith("-"):
            raise AgentCommandError(f"{model} is an option and no model: name a model.")
        argv = (*argv, preset.model_flag, model)
        name = f"{name}:{model}"
    return AgentCommand(
        name=name, argv=argv, prompt_in=preset.prompt, model=model, vendor=preset.vendor
    )


def _from_words(spec: str) -> AgentCommand:
    named = _NAMED.fullmatch(spec)
    name, spec = (named[1], named[2]) if named else ("", spec)
    if "\0" in spec:
        raise AgentCommandError("A command cannot hold a NUL: remove it.")
    try:
        argv = tuple(shlex.split(spec))
    except ValueError as error:
        raise AgentCommandError(
            f"This is no command line ({error}): close the quotes, or put a backslash before a "
            "quote that is meant as such."
        ) from error
    if not argv or not argv[0].strip():
        raise AgentCommandError(
            f"No command was given: name a preset ({', '.join(_BY_NAME)}) or a command line."
        )
    return AgentCommand(
        name=name or _display_name(argv),
        argv=argv,
        prompt_in="argument" if any(PROMPT in word for word in argv[1:]) else "stdin",
        model=None,
        vendor=None,
    )


def _display_name(argv: tuple[str, ...]) -> str:
    """Give the program's name; for an interpreter, that of the script which it runs."""
    # Both kinds of path are taken apart on every system, so that a name does not depend on it.
    stems = [PurePosixPath(PureWindowsPath(word).name).stem or word for word in argv]
    if _INTERPRETER.fullmatch(stems[0]):
        scripts = [stem for stem, word in zip(stems, argv, strict=True) if _SCRIPT.fullmatch(word)]
        return next((stem for stem in scripts if stem != stems[0]), stems[0])
    return stems[0]
