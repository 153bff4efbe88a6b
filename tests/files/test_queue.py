"""QUEUE.md as text: what is written reads back, and only what somebody changed is a change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.faces.files import line as lines
from waggle.faces.files import page, queue
from waggle.faces.files.line import Line, LineError
from waggle.faces.files.queue import Changes, Row, Snapshot

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
TITLES = TEXT.filter(lambda text: text.strip() == text)
NUMBERS = st.integers(1, 99).map(str)
LINES = st.builds(
    Line,
    seq=NUMBERS,
    title=TITLES,
    depends=st.lists(st.integers(100, 110).map(str), max_size=3, unique=True).map(
        lambda found: tuple(sorted(found))
    ),
    agent=TEXT | st.just(""),
    priority=st.none() | st.integers(0, 9),
    labels=st.lists(TEXT, max_size=3, unique=True).map(lambda found: tuple(sorted(found))),
)


def rows(found: list[Line]) -> list[Row]:
    by_number = {line.seq: line for line in found}
    return [Row(task=f"task {seq}", line=line) for seq, line in by_number.items()]


NOTHING = Changes(adds=(), edits=(), removals=(), bad=())
PAGES = st.lists(LINES, max_size=8).map(rows)


def snapshot(found: list[Row]) -> Snapshot:
    numbers = {row.line.seq: row.task for row in found}
    others = {str(number): f"done {number}" for number in range(100, 111)}
    return Snapshot(rows=tuple(found), numbers={**others, **numbers})


def body(found: list[Row]) -> str:
    return queue.body([("Ready", found)])


@given(LINES)
def test_a_line_reads_back_as_it_was(line: Line) -> None:
    written = lines.write(line)
    assert len(written.splitlines()) == 1
    assert lines.read(written) == line


@given(TEXT)
def test_any_text_is_a_line_or_is_refused(text: str) -> None:
    try:
        line = lines.read(text)
    except LineError:
        return  # the only error that any text may cause
    assert lines.read(lines.write(line)).title == line.title


def test_the_form_that_people_know() -> None:
    line = lines.read("[seq:143] [depends:142] [agent:deploy] push to staging")
    assert line == Line(seq="143", depends=("142",), agent="deploy", title="push to staging")
    assert lines.write(line) == "[seq:143] [depends:142] [agent:deploy] push to staging"
    assert lines.read("- [x] [seq:1] done and ticked").state == "done"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[seq:1]", "title"),
        ("[seq:1] [seq:2] two", "twice"),
        ("[due:monday] x", "[due:...]"),
        ("[priority:10] x", "[priority:10]"),
        ("[priority:high] x", "[priority:high]"),
        ("[state:lost] x", "[state:lost]"),
        ("[depends:] x", "names nothing"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, why: str) -> None:
    with pytest.raises(LineError) as caught:
        lines.read(text)
    assert why in str(caught.value)


@given(PAGES)
def test_an_unchanged_page_asks_for_nothing(found: list[Row]) -> None:
    changes = queue.compare(snapshot(found), body(found))
    assert changes == NOTHING


@given(PAGES, st.data())
def test_each_edit_is_found_and_nothing_else(found: list[Row], data: st.DataObject) -> None:
    pick = st.sampled_from(["keep", "drop", "retitle", "finish", "hand over"])
    written, expected = [], []
    for row in found:
        what = data.draw(pick)
        line = row.line
        new = {
            "retitle": Line(seq=line.seq, title=line.title + "!", depends=line.depends,
                            agent=line.agent, priority=line.priority, labels=line.labels),
            "finish": Line(seq=line.seq, title=line.title, depends=line.depends, agent=line.agent,
                           priority=line.priority, labels=line.labels, state="done"),
            "hand over": Line(seq=line.seq, title=line.title, depends=line.depends,
                              agent=line.agent + "2", priority=line.priority, labels=line.labels),
        }.get(what, line)  # fmt: skip
        if what != "drop":
            written.append(lines.write(new))
        if what != "keep":
            expected.append((what, row.task))
    changes = queue.compare(snapshot(found), "\n".join(data.draw(st.permutations(written))))
    kinds = {("title",): "retitle", ("state",): "finish", (): "hand over"}
    seen = [(kinds[edit.fields], edit.row.task) for edit in changes.edits]
    seen += [("drop", row.task) for row in changes.removals]
    assert sorted(seen) == sorted(expected)
    assert (changes.adds, changes.bad) == ((), ())


def test_new_lines_come_after_those_that_they_depend_on() -> None:
    old = [Row(task="t", line=Line(seq="1", title="old"))]
    text = """# Queue
- [depends:9] last
[seq:9] [depends:8,1] second
[seq:8] first
[depends:77] of nothing
[seq:5] [depends:6] in a
[seq:6] [depends:5] circle
[seq:1] [depends:9] old
"""
    changes = queue.compare(snapshot(old), text)
    assert [new.line.title for new in changes.adds] == ["first", "second", "last"]
    assert [one.text for one in changes.bad] == [
        "[depends:77] of nothing",
        "[seq:5] [depends:6] in a",
        "[seq:6] [depends:5] circle",
    ]
    (edit,) = changes.edits
    assert (edit.row.task, edit.fields, edit.line.depends) == ("t", ("depends",), ("9",))


def test_a_line_that_cannot_be_read_is_kept_and_its_task_too() -> None:
    old = [Row(task="t", line=Line(seq="1", title="old"))]
    changes = queue.compare(snapshot(old), "[seq:1] [priority:urgent] old\n[seq:100] done long ago")
    assert not changes.removals
    first, second = changes.bad
    assert (first.number, first.text) == (2, "[seq:1] [priority:urgent] old")
    assert "does not show" in second.reason
    kept = queue.body([("Ready", old)], changes.bad)
    again = queue.compare(snapshot(old), kept)
    assert [one.text for one in again.bad] == [first.text, second.text]
    mended = queue.compare(snapshot(old), kept.replace("urgent", "1"))
    assert [edit.line.priority for edit in mended.edits] == [1]


@given(st.sampled_from(["queue", "facts"]), TEXT)
def test_a_page_knows_whether_it_was_edited(name: str, text: str) -> None:
    written = page.write(name, text, "hint")
    for found in (written, "\ufeff" + written, written.replace("\n", "\r\n")):
        read = page.read(found)
        assert read is not None
        assert read.name == name
        if "\r" not in text:
            assert not read.edited
    changed = page.read(written + "more")
    assert changed is not None
    assert changed.edited
    assert page.read(text) is None
