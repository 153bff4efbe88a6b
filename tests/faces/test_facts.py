"""Facts from the command line: two agents in one store disagree as visibly as two stores."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from tests.race.field import Field

from waggle.base.clock import stamp
from waggle.base.errors import WaggleError
from waggle.faces.ops.fact_shapes import stamp_of

REGISTER = {"entity", "attribute", "value", "conflict", "heads", "seen"}
FACT = {"id", "entity", "attribute", "value", "source", "by", "at", "stamp", "supersedes"}
SECOND_MS = 1_769_860_805_000
"""2026-01-31 12:00:05 in UTC."""


@pytest.fixture
def hive(field: Field) -> Field:
    field.json("init")
    return field


def add(field: Field, who: str, value: str, *words: str) -> dict[str, Any]:
    return field.json("fact", "add", "db", "host", value, "--as", who, *words)


def known(field: Field, *words: str) -> dict[str, Any]:
    """Give the one register that `fact get db host` tells of."""
    (register,) = field.json("fact", "get", "db", "host", *words)["registers"]
    assert set(register) == REGISTER
    return dict(register)


def said(field: Field) -> list[tuple[str, str | None]]:
    """Give who says what, the latest first."""
    heads = known(field)["heads"]
    return [(head["by"].partition("/")[2], head["value"]) for head in heads]


def refused(field: Field, *words: str) -> dict[str, Any]:
    ran = field.waggle(*words, "--json")
    assert ran.status != 0, ran
    return dict(ran.object["error"])


def test_a_fact_is_told_with_who_said_it_when_and_from_what(hive: Field) -> None:
    added = add(hive, "ann", "db-1", "--source", "hosts.md@4f2a9c1")
    assert set(added["fact"]) == FACT
    assert (added["notes"], added["register"]["conflict"]) == ([], False)
    register = known(hive)
    assert register["heads"] == [added["fact"]]
    assert (register["value"], register["conflict"]) == ("db-1", False)
    shown = hive.waggle("fact", "get", "db").out
    for words in ("host: db-1", "ann", "from hosts.md@4f2a9c1", added["fact"]["at"]):
        assert words in shown


def test_ones_own_value_is_replaced_and_anothers_is_not(hive: Field) -> None:
    first = add(hive, "ann", "db-1")
    second = add(hive, "ann", "db-2")
    assert second["fact"]["supersedes"] == [first["fact"]["id"]]
    assert said(hive) == [("ann", "db-2")]
    third = add(hive, "bob", "db-3")
    assert third["fact"]["supersedes"] == []
    assert said(hive) == [("bob", "db-3"), ("ann", "db-2")]


def test_a_conflict_is_shown_to_whoever_makes_it_and_the_command_given_settles_it(
    hive: Field,
) -> None:
    add(hive, "ann", "it's here")
    made = add(hive, "bob", "db 2")
    assert made["register"]["conflict"]
    (line,) = [note for note in made["notes"] if "waggle fact add" in note]
    (listed,) = hive.json("fact", "conflicts")["registers"]
    assert listed == known(hive)
    for shown in (hive.waggle("fact", "get", "db"), hive.waggle("fact", "conflicts")):
        assert "but: it's here" in shown.out
        assert line.strip() in shown.out
    settled = hive.json(*shlex.split(line)[1:], "--as", "cat")
    assert sorted(settled["fact"]["supersedes"]) == sorted(one["id"] for one in listed["heads"])
    assert said(hive) == [("cat", "db 2")]
    assert hive.json("fact", "conflicts") == {"ok": True, "total": 0, "registers": []}


def test_what_came_after_somebody_looked_is_not_settled_by_what_they_saw(hive: Field) -> None:
    add(hive, "ann", "db-1")
    seen = known(hive)["seen"]
    add(hive, "bob", "db-2")
    made = add(hive, "cat", "db-3", "--supersedes", seen)
    assert made["register"]["conflict"]
    assert said(hive) == [("cat", "db-3"), ("bob", "db-2")]
    add(hive, "dan", "db-4", "--supersedes", "all")
    assert said(hive) == [("dan", "db-4")]


def test_equal_values_are_no_conflict_and_all_of_them_are_replaced_by_name(hive: Field) -> None:
    add(hive, "ann", "db-1")
    assert not add(hive, "bob", "db-1")["register"]["conflict"]
    assert "the same: db-1" in hive.waggle("fact", "get", "db").out
    assert add(hive, "ann", "db-2")["register"]["conflict"]
    assert add(hive, "cat", "db-3", "--supersedes", "all")["register"]["conflict"] is False


@pytest.mark.parametrize(
    ("names", "code"),
    [("ffff", "not_found"), ("xyz", "invalid"), ("ab", "invalid")],
)
def test_what_is_named_wrongly_is_refused_before_anything_is_written(
    hive: Field, names: str, code: str
) -> None:
    add(hive, "ann", "db-1")
    error = refused(hive, "fact", "add", "db", "host", "db-2", "--supersedes", names)
    assert error["code"] == code
    assert said(hive) == [("ann", "db-1")]


def test_a_fact_of_another_attribute_cannot_be_named(hive: Field) -> None:
    other = hive.json("fact", "add", "db", "port", "1")["fact"]["id"]
    error = refused(hive, "fact", "add", "db", "host", "db-2", "--supersedes", other)
    assert error["code"] == "not_found"
    assert "fact history" in error["next"]


def test_a_retraction_supersedes_and_disagrees(hive: Field) -> None:
    add(hive, "ann", "db-1")
    hive.json("fact", "retract", "db", "host", "--as", "ann", "--source", "it is gone")
    assert said(hive) == [("ann", None)]
    assert refused(hive, "fact", "get", "db")["code"] == "not_found"
    assert "(retracted)" in hive.waggle("fact", "get", "db", "host").out
    assert hive.json("fact", "search", "db")["hits"] == []
    add(hive, "bob", "db-2")
    assert known(hive)["conflict"]
    made = hive.json("fact", "retract", "db", "host", "--as", "cat", "--supersedes", "all")
    assert (made["fact"]["value"], made["register"]["conflict"]) == (None, False)
    assert refused(hive, "fact", "retract", "web", "host")["code"] == "not_found"


def test_history_has_everything_and_as_of_shows_what_was_known(hive: Field) -> None:
    facts = [add(hive, who, f"db-{n}")["fact"] for n, who in enumerate(("ann", "bob", "ann"))]
    facts.append(hive.json("fact", "retract", "db", "host", "--supersedes", "all")["fact"])
    assert hive.json("fact", "history", "db", "host")["facts"] == facts[::-1]
    assert hive.json("fact", "history", "db", "--limit", "1")["facts"] == facts[:-3:-1][:1]
    values = [known(hive, "--as-of", fact["stamp"])["value"] for fact in facts]
    assert values == ["db-0", "db-1", "db-2", None]
    then = known(hive, "--as-of", facts[1]["stamp"])
    assert [head["value"] for head in then["heads"]] == ["db-1", "db-0"]
    assert then["conflict"]
    assert known(hive, "--as-of", facts[3]["at"])["value"] is None
    before = refused(hive, "fact", "get", "db", "host", "--as-of", "2020-01-01")
    assert before["code"] == "not_found"
    assert refused(hive, "fact", "history", "web")["code"] == "not_found"


@pytest.mark.parametrize(
    ("text", "last_ms"),
    [
        ("2026-01-31T12:00:05.678Z", SECOND_MS + 678),
        ("2026-01-31 12:00:05.6", SECOND_MS + 600),
        ("2026-01-31 12:00:05Z", SECOND_MS + 999),
        ("2026-01-31T12:00Z", SECOND_MS - 5_000 + 59_999),
        ("2026-01-31", SECOND_MS - 43_205_000 + 86_399_999),
        ("1960-01-01", 0),
    ],
)
def test_a_time_means_all_of_what_it_names(text: str, last_ms: int) -> None:
    assert stamp_of(text) == stamp(last_ms, 0xFFFF)


def test_a_stamp_is_a_time() -> None:
    assert stamp_of(str(stamp(SECOND_MS, 7))) == stamp(SECOND_MS, 7)
    assert stamp_of("9" * 30) < 2**63


@pytest.mark.parametrize(
    "text", ["", "now", "2026-02-30", "2026-01-31T25:00Z", "2026", "12:00", "-1", "2026-01-31 12"]
)
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(WaggleError, match="is no time") as caught:
        stamp_of(text)
    assert caught.value.code == "invalid"


HOSTILE = ('"', "db OR x", "NEAR(db host)", "db*", "value:db", "\U0001f41d", "- -", "x" * 2000)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_find_or_are_refused(hive: Field, words: str) -> None:
    add(hive, "ann", "db-1")
    ran = hive.waggle("fact", "search", "--json", "--", words)
    if ran.status == 0:
        assert [hit["fact"]["value"] for hit in ran.object["hits"]] in ([], ["db-1"])
    else:
        assert ran.object["error"]["code"] == "invalid", ran


def test_search_follows_what_is_known_now(hive: Field) -> None:
    add(hive, "ann", "caf\u00e9 one")
    add(hive, "bob", "cafe two")
    hits = hive.json("fact", "search", "CAFE", "d")["hits"]
    assert sorted(hit["fact"]["value"] for hit in hits) == ["cafe two", "caf\u00e9 one"]
    assert all(hit["conflict"] for hit in hits)
    add(hive, "cat", "tea", "--supersedes", "all")
    assert hive.json("fact", "search", "cafe")["hits"] == []
    assert "nothing found" in hive.waggle("fact", "search", "cafe").out
    assert "db host: tea" in hive.waggle("fact", "search", "te").out


def test_a_repeated_key_tells_of_the_first_write(hive: Field) -> None:
    first = add(hive, "ann", "db-1", "--key", "k1")
    add(hive, "bob", "db-2", "--supersedes", "all")
    again = add(hive, "ann", "db-3", "--key", "k1")
    assert again["fact"] == first["fact"]
    assert said(hive) == [("bob", "db-2")]
    gone = [
        hive.json("fact", "retract", "db", "host", "--as", "bob", "--key", "k2")["fact"]
        for _ in range(2)
    ]
    assert gone[0] == gone[1]
    assert refused(hive, "fact", "retract", "db", "host", "--key", "k1")["code"] == "invalid"


@pytest.mark.parametrize(
    ("entity", "attribute"), [("", "a"), ("a", "two\nlines"), ("x" * 257, "a"), ("a", " b")]
)
def test_names_are_one_line_and_not_too_long(hive: Field, entity: str, attribute: str) -> None:
    error = refused(hive, "fact", "add", entity, attribute, "v")
    assert error["code"] == "invalid"
    assert "256" in error["next"]


def test_values_have_a_limit_and_secrets_are_held(hive: Field) -> None:
    assert refused(hive, "fact", "add", "a", "b", "x" * 16_385)["code"] == "invalid"
    assert refused(hive, "fact", "add", "a", "b", "AKIA" + "Q3ZL7MP2XK5VN8RT")["code"] == "held"


# --- files -------------------------------------------------------------------------------------


def line(entity: str, value: object, **more: str) -> str:
    return json.dumps({"entity": entity, "attribute": "is", "value": value, **more})


def current(field: Field) -> list[tuple[str, str, str, str | None]]:
    facts = field.json("fact", "export")["facts"]
    return [(one["entity"], one["attribute"], one["value"], one.get("source")) for one in facts]


def test_an_export_imported_elsewhere_says_the_same(real: Field) -> None:
    real.json("init")
    for n, value in enumerate(("plain", "two\nlines \U0001f41d \x7f", "")):
        real.json("fact", "add", f"e{n}", "is", value, "--source", f"s{n}")
    real.json("fact", "retract", "e0", "is")
    for who, value in (("ann", "one"), ("bob", "two")):
        real.json("fact", "add", "e3", "is", value, "--as", who)
    exported = real.waggle("fact", "export").out
    assert real.json("fact", "export", "facts.jsonl")["count"] == 4
    assert (real.top / "facts.jsonl").read_text() == exported

    other = Field(real.folder / "elsewhere")
    other.json("init")
    first, again = (
        other.waggle("fact", "import", "-", "--json", stdin=exported).object for _ in range(2)
    )
    assert (first["added"], first["known"], first["bad"]) == (4, 0, [])
    assert (again["added"], again["known"]) == (0, 4)
    assert current(other) == current(real)
    assert [one["value"] for one in other.json("fact", "conflicts")["registers"]] == ["two"]


def test_bad_lines_are_told_and_the_rest_is_taken(hive: Field) -> None:
    secret = "AKIA" + "Q3ZL7MP2XK5VN8RT"
    rows = [
        line("a", "1"), "{", line("b", 2), "", line("c", secret), line("", "x"), line("d", "4"),
        line("a", "1"),
    ]  # fmt: skip
    (hive.top / "facts.jsonl").write_text("\n".join(rows))
    ran = hive.waggle("fact", "import", "facts.jsonl", "--json")
    assert ran.status == 2
    assert (ran.object["added"], ran.object["known"]) == (2, 1)
    assert [one["line"] for one in ran.object["bad"]] == [2, 3, 5, 6]
    assert secret not in ran.out
    assert [one[0] for one in current(hive)] == ["a", "d"]
    assert "line 3: " in hive.waggle("fact", "import", "facts.jsonl").out


def test_importing_again_does_not_bring_back_what_was_superseded(hive: Field) -> None:
    (hive.top / "facts.jsonl").write_text(line("a", "old"))
    assert hive.json("fact", "import", "facts.jsonl")["added"] == 1
    hive.json("fact", "add", "a", "is", "new", "--as", "bob", "--supersedes", "all")
    again = hive.json("fact", "import", "facts.jsonl")
    assert (again["added"], again["known"]) == (0, 1)
    assert [one[2] for one in current(hive)] == ["new"]
    assert hive.json("fact", "import", "facts.jsonl", "--key", "on purpose")["added"] == 1
    assert [one[2] for one in current(hive)] == ["new", "old"]


def test_lines_of_one_file_stand_side_by_side(hive: Field) -> None:
    hive.json("fact", "add", "a", "is", "before")
    rows = [line("a", f"v{n}") for n in range(3)]
    (hive.top / "facts.jsonl").write_text("\n".join(rows))
    hive.json("fact", "import", "facts.jsonl")
    assert [one[2] for one in current(hive)] == ["v0", "v1", "v2"]


def test_files_that_are_not_there_are_told(hive: Field) -> None:
    assert refused(hive, "fact", "import", "nowhere.jsonl")["code"] == "not_found"
    assert refused(hive, "fact", "export", "no/folder.jsonl")["code"] == "environment"
    assert list(hive.top.glob("tmp*")) == []
