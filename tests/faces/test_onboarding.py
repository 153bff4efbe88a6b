"""What agents need in a work tree: put in and taken out, and everything else kept to the byte."""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.conftest import git
from tests.race.field import Field

from waggle.base.errors import WaggleError
from waggle.faces.cli import build
from waggle.faces.onboarding.instructions import SECTION
from waggle.faces.onboarding.json_entry import JsonEntry
from waggle.faces.onboarding.marked import Marked
from waggle.faces.onboarding.parts import Part, PartError
from waggle.faces.onboarding.plan import find_presets, plan
from waggle.faces.onboarding.presets import PRESETS
from waggle.faces.ops import registry

ENTRY = PRESETS["claude"].entry
TABLE = PRESETS["codex"].entry


def added(part: Part, text: str | None) -> str:
    new = part.add(text).text
    assert new is not None
    return new


# --- documents in any layout -------------------------------------------------------------------

GAPS = (
    "",
    "",
    " ",
    "\n",
    "\r\n",
    "\n  ",
    "\n\t",
    " /* a, } */ ",
    ' // it\'s "b": {,\n',
    "\r\n    ",
)
KEYS = st.sampled_from(["a", "mcpServers", "waggle", 'q"\\', "ü", "//", "x,}"])
LEAVES = st.sampled_from(
    ["0", "-1.50e+3", "true", "null", '"//"', '"\\u00e9,]"', "12345678901234567890"]
)


@st.composite
def objects(draw: st.DrawFn, keys: st.SearchStrategy[str] = KEYS, depth: int = 2) -> list[str]:
    """The words of an object in JSON with comments."""
    found = draw(st.lists(keys, max_size=4, unique=True))
    words = ["{"]
    for n, key in enumerate(found):
        inner = st.just(["[", "]"]) | st.builds(lambda leaf: [leaf], LEAVES)
        if depth:
            inner = objects(depth=depth - 1) | inner
        if key == "mcpServers" and depth == 2:
            inner = objects(keys=KEYS.filter(lambda name: name != "waggle"), depth=1)
        words += [json.dumps(key), ":", *draw(inner)]
        if n < len(found) - 1 or draw(st.booleans()):
            words.append(",")
    return [*words, "}"]


@st.composite
def documents(draw: st.DrawFn) -> str:
    """An object, with anything between its words that JSON with comments allows there."""
    words = draw(objects())
    style = draw(st.sampled_from([GAPS, ("",), ("\n  ",), ("\r\n\t",), (" ",)]))
    gap = st.sampled_from(style)
    text = "".join(f"{draw(gap)}{word}" for word in words)
    return draw(st.sampled_from(["", "\ufeff"])) + text + draw(st.sampled_from(["", "\n", "\r\n"]))


@given(documents())
def test_a_member_that_was_put_in_is_taken_out_to_the_byte(text: str) -> None:
    assert ENTRY.remove(added(ENTRY, text)).text == text


@given(documents())
def test_putting_a_member_in_twice_is_once(text: str) -> None:
    once = added(ENTRY, text)
    assert ENTRY.holds(once)
    assert ENTRY.add(once).text == once


@given(documents())
def test_a_member_is_put_in_by_insertions_alone(text: str) -> None:
    rest = iter(added(ENTRY, text))
    assert all(char in rest for char in text)


@given(st.sampled_from([name for name in PRESETS if name != "codex"]), documents())
def test_two_agents_entries_in_one_file_do_not_meddle(name: str, text: str) -> None:
    other = PRESETS[name].entry
    assume(other != ENTRY)
    try:
        both = added(other, added(ENTRY, text))
    except PartError:
        return  # the other's place is taken by something else
    assert other.remove(ENTRY.remove(both).text or "").text == ENTRY.remove(added(ENTRY, text)).text


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_a_file_that_was_made_for_us_goes_with_us(eol: str) -> None:
    for preset in PRESETS.values():
        for part in (preset.entry, SECTION):
            assert part.remove(added(part, None).replace("\n", eol)).text is None


@pytest.mark.parametrize(
    "text", ["{}", "{}\n", "{\n}\n", '{"mcpServers":{}}', '{\n  "mcpServers": {\n  }\n}\n']
)
def test_a_file_that_was_there_before_us_stays(text: str) -> None:
    assert ENTRY.remove(added(ENTRY, text)).text == text


def test_an_entry_looks_like_its_neighbours() -> None:
    text = '{\n\t"mcpServers": {\n\t\t"other": {"command": "x"} // mine\n\t}\n}\n'
    assert added(ENTRY, text) == (
        '{\n\t"mcpServers": {\n\t\t"other": {"command": "x"}, // mine\n'
        '\t\t"waggle": {"command": "waggle", "args": ["mcp"]}\n\t}\n}\n'
    )


@pytest.mark.parametrize("entry", ['{"command": "uvx"}', "null", "[]"])
def test_an_entry_of_the_users_own_is_left_as_it_is(entry: str) -> None:
    text = f'{{"mcpServers": {{"waggle": {entry}}}}}'
    for edited in (ENTRY.add(text), ENTRY.remove(text)):
        assert edited.text == text
        assert "left as it is" in str(edited.note)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a": 1', '{"mcpServers": []}', '{"mcpServers": {}, "mcpServers": {}}',
     '{"a": NaN}', '{"a": "\n"}', "{} {}", "{,}", "[" * 100_000, '{"a": ' * 100_000, "/*", '"{',
     "/*" * 500_000, '\\"' * 500_000],
)  # fmt: skip
def test_what_cannot_be_edited_is_refused(text: str) -> None:
    with pytest.raises(PartError):
        ENTRY.add(text)


@given(
    documents(), st.sampled_from(["{} /* note */", "/* note */{}", "// note\n{}", "{}// note\n"])
)
def test_a_comment_that_was_written_beside_the_member_stays(text: str, around: str) -> None:
    ours = '"waggle": {"command": "waggle", "args": ["mcp"]}'
    once = added(ENTRY, text)
    assert once.count(ours) == 1
    left = ENTRY.remove(once.replace(ours, around.replace("{}", ours))).text
    assert left is not None
    assert not ENTRY.holds(left)
    assert left.count("note") == 1
    assert added(ENTRY, left).count(ours) == 1


# --- lines between markers ---------------------------------------------------------------------

LINES = st.lists(
    st.sampled_from(["a", "\n", "\r", "\r\n", " ", "#", "<!-- waggle", "\u00fc", "\ufeff", "```"]),
    max_size=20,
).map("".join)
OLD = Marked(begin=SECTION.begin, end=SECTION.end, body=" of old -->\nless")


@given(LINES)
def test_a_section_that_was_put_in_is_taken_out_to_the_byte(text: str) -> None:
    assert SECTION.remove(added(SECTION, text)).text == text


@given(LINES, LINES)
def test_a_section_is_taken_out_wherever_it_has_come_to_stand(before: str, after: str) -> None:
    text = added(SECTION, before) + after
    left = SECTION.remove(text).text or ""
    assert not SECTION.holds(left)
    assert left.startswith(before.rstrip("\r\n"))
    assert left.endswith(after.lstrip("\r\n"))


@given(LINES)
def test_a_section_that_is_put_in_again_takes_the_place_of_the_older_one(text: str) -> None:
    assert added(SECTION, added(OLD, text)) == added(SECTION, text)
    assert added(SECTION, added(SECTION, text)) == added(SECTION, text)


@pytest.mark.parametrize(
    "text",
    ["<!-- waggle:begin -->\n", "<!-- waggle:end -->", "<!-- waggle:end -->\n<!-- waggle:begin"],
)
def test_damaged_markers_are_refused(text: str) -> None:
    for edit in (SECTION.add, SECTION.remove):
        with pytest.raises(PartError, match="once each"):
            edit(text)


# --- TOML --------------------------------------------------------------------------------------

TOML = st.lists(
    st.sampled_from(
        ["a = 1", "# note", "", "[x]", 'b = """\n# waggle\n"""', "[[y]]", "[mcp_servers.other]",
         'command = "c"', "[mcp_servers.other.env]"]
    ),
    max_size=6,
)  # fmt: skip


@given(TOML, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n"]))
def test_a_table_is_put_in_and_taken_out_to_the_byte(lines: list[str], eol: str, end: str) -> None:
    text = (eol.join(lines) + end).replace("\n", eol)
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(PartError):
            TABLE.add(text)
        return
    once = added(TABLE, text)
    assert TABLE.add(once).text == once
    assert TABLE.remove(once).text == text
    after = tomllib.loads(once)
    assert after["mcp_servers"].pop("waggle") == {"command": "waggle", "args": ["mcp"]}
    assert {"mcp_servers": {}, **before} == after


@pytest.mark.parametrize("text", ["mcp_servers = {}\n", "mcp_servers = 1\n", "[[mcp_servers]]\n"])
def test_a_table_that_has_no_place_is_refused(text: str) -> None:
    with pytest.raises(PartError):
        TABLE.add(text)


def test_a_table_of_the_users_own_is_left_as_it_is() -> None:
    text = '[mcp_servers.waggle]\ncommand = "/opt/waggle"\n'
    for edited in (TABLE.add(text), TABLE.remove(text)):
        assert edited.text == text
        assert "left as it is" in str(edited.note)


def test_what_is_written_by_hand_is_what_would_have_been_written() -> None:
    assert isinstance(ENTRY, JsonEntry)
    assert json.loads(ENTRY.by_hand) == json.loads(added(ENTRY, None))
    assert tomllib.loads(TABLE.by_hand) == tomllib.loads(added(TABLE, None))


# --- the words ---------------------------------------------------------------------------------


def test_the_instructions_name_commands_that_are_there() -> None:
    said = [" ".join(words.split()) for words in re.findall(r"`waggle ([^`]*)`", SECTION.body)]
    assert len(said) > 12
    for words in said:
        if words in {"--help", "init"}:
            continue
        name = max((name for name in registry.NAMES if f"{words} ".startswith(f"{name} ")), key=len)
        rest = shlex.split(words)[len(name.split()) :]
        build.command(registry.find(name)).make_context(name, rest)
    assert len(SECTION.body.splitlines()) <= 24


def test_the_server_is_started_by_a_command_that_is_there() -> None:
    assert "mcp" in registry.NAMES


# --- the command -------------------------------------------------------------------------------

ALL = [word for name in PRESETS for word in ("--agent", name)]


def snapshot(top: Path) -> dict[str, bytes]:
    """All files of a work tree."""
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(top).parts
    }


def test_all_agents_are_set_up_and_taken_out_again(field: Field) -> None:
    (field.top / "AGENTS.md").write_bytes(b"# Ours\r\n\r\nno newline at the end")
    (field.top / ".vscode").mkdir()
    (field.top / ".vscode" / "mcp.json").write_bytes(b'{\n\t"servers": {}, // none yet\n}')
    before = snapshot(field.top)
    made = field.waggle("init", *ALL, "--json")
    assert made.status == 0, made
    assert {one["action"] for one in made.object["files"]} == {"made", "changed"}
    after = snapshot(field.top)
    again = field.waggle("init", *ALL, "--json")
    assert {one["action"] for one in again.object["files"]} == {"unchanged"}
    assert snapshot(field.top) == after
    gone = field.waggle("init", *ALL, "--remove", "--json")
    assert gone.status == 0, gone
    assert snapshot(field.top) == before
    assert sorted(path.name for path in field.top.iterdir() if path.is_dir()) == [
        ".git", ".vscode", "tests",
    ]  # fmt: skip


def test_instructions_stay_as_long_as_an_agent_reads_them(field: Field) -> None:
    field.waggle("init", "--agent", "codex", "--agent", "cursor")
    first = field.waggle("init", "--agent", "codex", "--remove", "--json").object
    assert (field.top / "AGENTS.md").exists()
    assert "cursor" in first["notes"][0]
    field.waggle("init", "--agent", "cursor", "--remove")
    assert not (field.top / "AGENTS.md").exists()


def test_a_link_within_the_repository_is_followed_and_kept(field: Field) -> None:
    (field.top / "AGENTS.md").write_text("# Ours\n")
    (field.top / "CLAUDE.md").symlink_to("AGENTS.md")
    done = field.waggle("init", "--agent", "claude", "--agent", "codex", "--json")
    assert done.status == 0, done
    assert (field.top / "CLAUDE.md").is_symlink()
    assert (field.top / "AGENTS.md").read_text().count("waggle:begin") == 1


def outside(field: Field) -> Path:
    elsewhere = field.top.parent / "elsewhere.json"
    elsewhere.write_text("{}")
    (field.top / ".mcp.json").symlink_to(elsewhere)
    return elsewhere


def into_git(field: Field) -> Path:
    (field.top / ".mcp.json").symlink_to(field.top / ".git" / "config")
    return field.top / ".git" / "config"


def no_json(field: Field) -> Path:
    (field.top / ".mcp.json").write_text("{ mcpServers: yes }")
    return field.top / ".mcp.json"


def no_text(field: Field) -> Path:
    (field.top / ".mcp.json").write_bytes(b"{\xff}")
    return field.top / ".mcp.json"


@pytest.mark.parametrize("trap", [outside, into_git, no_json, no_text])
def test_a_refusal_changes_nothing_and_says_what_to_do(
    field: Field, trap: Callable[[Field], Path]
) -> None:
    kept = trap(field)
    before = kept.read_bytes()
    done = field.waggle("init", "--agent", "gemini", "--agent", "claude", "--json")
    assert done.status == 2, done
    assert "mcpServers" in done.object["error"]["next"]
    assert kept.read_bytes() == before
    assert not (field.top / ".gemini").exists(), "a refusal of one file refuses all"


def test_a_folder_that_cannot_be_written_is_a_clear_error(field: Field) -> None:
    (field.top / ".cursor").write_text("a file where a folder has to be")
    done = field.waggle("init", "--agent", "cursor", "--json")
    assert done.status == 7, done
    assert ".cursor" in done.object["error"]["message"]


def test_a_file_that_somebody_changes_meanwhile_is_not_overwritten(field: Field) -> None:
    path = field.top / ".mcp.json"
    planned = plan(str(field.top), find_presets(["claude"]), remove=False)
    path.write_text("{}")
    with pytest.raises(WaggleError) as caught:
        planned.carry_out()
    assert caught.value.code == "would_lose"
    assert path.read_text() == "{}"


def test_permissions_stay(field: Field) -> None:
    path = field.top / ".mcp.json"
    path.write_text("{}")
    path.chmod(0o640)
    field.waggle("init", "--agent", "claude")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [name for name in os.listdir(field.top) if name.endswith(".new")] == []


def test_a_worktree_gets_files_of_its_own(field: Field) -> None:
    tree = field.top.parent / "tree"
    git(field.top, "worktree", "add", "-q", str(tree))
    (tree / "deep").mkdir()
    assert field.waggle("init", "--agent", "claude", cwd=tree / "deep").status == 0
    assert (tree / ".mcp.json").exists()
    assert not (field.top / ".mcp.json").exists()


def test_a_bare_repository_has_no_place_for_them(field: Field) -> None:
    bare = field.top.parent / "bare.git"
    git(field.top, "init", "-q", "--bare", str(bare))
    done = field.waggle("init", "--agent", "claude", "--json", cwd=bare)
    assert done.object["error"]["code"] == "invalid"
    assert not (bare / "waggle").exists()


@pytest.mark.parametrize(
    "words", [["--remove"], ["--agent", "hal"], ["--agent", "codex", "--remove", "--remote", "x"]]
)
def test_words_that_make_no_sense_are_refused(field: Field, words: list[str]) -> None:
    assert field.waggle("init", *words).status == 2
