from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.agents.presets import (
    ARGUMENT_BYTES_MAX,
    PRESETS,
    PROMPT,
    AgentCommand,
    AgentCommandError,
    Preset,
    PromptError,
    resolve,
    with_prompt,
)

FAKE = """\
#!{python} -IS
import json, os, sys
seen = {{"argv": sys.argv[1:], "stdin": sys.stdin.buffer.read().decode(), "env": dict(os.environ)}}
with open({record!r}, "w", encoding="utf-8") as file:
    json.dump(seen, file)
sys.exit(int(os.environ["FAKE_EXIT"]))
"""

ARGV = {
    "aider": [
        "--yes-always",
        "--no-auto-commits",
        "--no-dirty-commits",
        "--no-gitignore",
        "--no-check-update",
        "--message",
        PROMPT,
    ],
    "claude": ["-p", "--permission-mode", "acceptEdits"],
    "codex": ["exec", "--sandbox", "workspace-write", "-"],
    "copilot": ["-s", "--no-ask-user", "--allow-tool=write"],
    "gemini": ["--approval-mode", "auto_edit"],
    "opencode": ["run"],
    "qwen": ["--approval-mode", "auto-edit"],
}

PROMPTS = [
    "fix the bug",
    "",
    "a 'single', a \"double\" and a `back` quote\n\nnew line\ttab\r\n",
    "$(rm -rf /) ; rm -rf ~ && echo $HOME | cat > x",
    "Grüße, 你好, \U0001f41d",
    "--help",
    "{prompt} {prompt} {} {0}",
    "\\ \\\\ %s %PATH% !1",
]


class Seen(TypedDict):
    argv: list[str]
    stdin: str
    env: dict[str, str]


def run_fake(tmp_path: Path, command: AgentCommand, prompt: str, code: int) -> Seen:
    record = tmp_path / "seen.json"
    fake = tmp_path / command.argv[0]
    fake.write_text(FAKE.format(python=sys.executable, record=str(record)), encoding="utf-8")
    fake.chmod(0o755)
    argv, stdin = with_prompt(command, prompt)
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.defpath}", "FAKE_EXIT": str(code)}
    done = subprocess.run(argv, input=stdin, env=env, cwd=tmp_path, check=False)
    assert done.returncode == code
    seen: Seen = json.loads(record.read_text(encoding="utf-8"))
    return seen


posix = pytest.mark.skipif(os.name != "posix", reason="the fake agent starts by its #! line")


@posix
@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_the_agent_gets_exactly_the_documented_command(preset: Preset, tmp_path: Path) -> None:
    for code, prompt in enumerate(PROMPTS[:4]):
        seen = run_fake(tmp_path, resolve(preset.name), prompt, code)
        expected = [prompt if word == PROMPT else word for word in ARGV[preset.name]]
        assert seen["argv"] == expected
        assert seen["stdin"] == prompt
        assert seen["env"]["FAKE_EXIT"] == str(code)


@posix
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("spec", ["claude", "aider:gpt-x", "./claude x={prompt}= '{prompt}'"])
def test_every_prompt_arrives_as_data(spec: str, prompt: str, tmp_path: Path) -> None:
    command = resolve(spec)
    seen = run_fake(tmp_path, command, prompt, 3)
    assert seen["argv"] == [word.replace(PROMPT, prompt) for word in command.argv[1:]]
    assert seen["stdin"] == prompt
    assert {path.name for path in tmp_path.iterdir()} == {Path(command.argv[0]).name, "seen.json"}


def test_the_table_is_sound() -> None:
    assert [preset.name for preset in PRESETS] == sorted(ARGV)
    for preset in PRESETS:
        assert preset.argv[0] == preset.name
        assert preset.source.startswith("https://")
        assert preset.note
        assert (preset.prompt == "argument") == any(PROMPT in word for word in preset.argv)
        line = " ".join(preset.argv)
        for flag in ("danger", "yolo", "bypass", "full-auto", "allow-all", "--force", "skip"):
            assert flag not in line


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_model_is_named_behind_the_colon(preset: Preset) -> None:
    command = resolve(f" {preset.name}:some/model:v1 ")
    assert command.name == f"{preset.name}:some/model:v1"
    assert command.argv == (*preset.argv, "--model", "some/model:v1")
    assert (command.model, command.vendor) == ("some/model:v1", preset.vendor)
    assert resolve(preset.name).model is None


@pytest.mark.parametrize(
    ("spec", "name", "argv"),
    [
        ("claude --version", "claude", ("claude", "--version")),
        ("claude:opus --x", "claude:opus", ("claude:opus", "--x")),
        ("claude: opus", "claude:", ("claude:", "opus")),
        ("my-agent:x", "my-agent:x", ("my-agent:x",)),
        ("/opt/bin/agent.sh -x 'a b'", "agent", ("/opt/bin/agent.sh", "-x", "a b")),
        ("'C:\\Tools\\agent.exe' run", "agent", ("C:\\Tools\\agent.exe", "run")),
        ("python3.11 a.py", "a", ("python3.11", "a.py")),
        ("python3 -m agent", "python3", ("python3", "-m", "agent")),
        ("sh -c 'echo 2 > a.txt'", "sh", ("sh", "-c", "echo 2 > a.txt")),
        ("mine=python3 a.py --x", "mine", ("python3", "a.py", "--x")),
        ("a==b", "a==b", ("a==b",)),
        ("./a $HOME *.py ; b", "a", ("./a", "$HOME", "*.py", ";", "b")),
        ("..", "..", ("..",)),
        ("a ''", "a", ("a", "")),
    ],
)
def test_anything_else_is_a_command_line(spec: str, name: str, argv: tuple[str, ...]) -> None:
    command = resolve(spec)
    assert (command.name, command.argv) == (name, argv)
    assert (command.model, command.vendor, command.prompt_in) == (None, None, "stdin")


def test_a_command_line_may_take_the_prompt_as_an_argument() -> None:
    command = resolve("agent --do={prompt} -v")
    assert command.prompt_in == "argument"
    assert with_prompt(command, "a b") == (("agent", "--do=a b", "-v"), b"a b")
    assert with_prompt(resolve("{prompt} x"), "a") == (("{prompt}", "x"), b"a")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "No command"),
        ("   ", "No command"),
        ("''", "No command"),
        ("agent 'x", "close the quotes"),
        ('agent "', "close the quotes"),
        ("agent \\", "backslash"),
        ("agent\0", "NUL"),
        ("claude:", "No model"),
        ("claude:--resume", "option"),
    ],
)
def test_what_cannot_run_is_refused_with_advice(spec: str, says: str) -> None:
    with pytest.raises(AgentCommandError, match=says):
        resolve(spec)


def test_prompts_that_cannot_be_passed_are_refused() -> None:
    with pytest.raises(PromptError, match="NUL"):
        with_prompt(resolve("aider"), "a\0b")
    with pytest.raises(PromptError, match="too long"):
        with_prompt(resolve("aider"), "ü" * (ARGUMENT_BYTES_MAX // 2 + 1))
    with pytest.raises(PromptError, match="UTF-8"):
        with_prompt(resolve("claude"), "\udcff")
    assert with_prompt(resolve("aider"), "x" * ARGUMENT_BYTES_MAX)
    assert with_prompt(resolve("claude"), "\0" * 1_000_000)[1] == b"\0" * 1_000_000


WORDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=5
).filter(lambda words: bool(words[0].strip()))


@given(words=WORDS)
def test_a_quoted_command_line_comes_back_word_for_word(words: list[str]) -> None:
    spec = shlex.join(words)
    command = resolve(spec)
    preset_names = {preset.name for preset in PRESETS}
    if len(words) > 1 or words[0].partition(":")[0] not in preset_names:
        assert command.argv == tuple(words)
    assert command.name


@given(words=WORDS, prompt=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_prompt_is_one_datum(words: list[str], prompt: str) -> None:
    command = AgentCommand(name="x", argv=("x", *words), prompt_in="stdin", model=None, vendor=None)
    argv, stdin = with_prompt(command, prompt)
    assert stdin.decode() == prompt
    assert argv == ("x", *(word.replace(PROMPT, prompt) for word in words))
