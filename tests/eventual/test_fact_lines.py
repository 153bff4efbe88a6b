"""Facts as lines of JSON: what is written reads back, and bad lines say why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.base.limits import ENTRY_BYTES_MAX
from waggle.eventual.fact_lines import BadLine, FactLine, read_lines, write_line

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
_ONE_LINE = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
TERMS = st.text(_ONE_LINE, min_size=1, max_size=40).map(str.strip).filter(bool)
LINES = st.builds(
    FactLine,
    entity=TERMS,
    attribute=TERMS,
    value=TEXTS,
    source=st.none() | TEXTS,
    id=st.none() | st.just("ab" * 32),
    by=st.none() | TEXTS,
)


@given(st.lists(LINES, max_size=5))
def test_what_is_written_reads_back(lines: list[FactLine]) -> None:
    written = [write_line(line) for line in lines]
    assert all(text.isascii() and text.isprintable() for text in written)
    assert [line for _, line in read_lines(text.encode() for text in written)] == lines


@given(LINES)
def test_a_line_is_known_again_by_what_it_says(line: FactLine) -> None:
    (_, again), (_, moved) = read_lines(
        [write_line(line).encode(), b'{"by":"x","extra":[],' + write_line(line).encode()[1:]]
    )
    assert isinstance(again, FactLine)
    assert isinstance(moved, FactLine)
    assert again.key == moved.key == line.key
    other = FactLine(entity=line.entity, attribute=line.attribute, value=line.value + "x")
    assert other.key != line.key


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"not JSON", "malformed"),
        (b"[]", "object"),
        (b'{"entity":"a","attribute":"b"}', "value"),
        (b'{"entity":"a","attribute":"b","value":1}', "value"),
        (b'{"entity":"","attribute":"b","value":"c"}', "entity"),
        (b'{"entity":"a","attribute":"two\\nlines","value":"c"}', "attribute"),
        (b'{"entity":"a","attribute":"b","value":"\xff"}', ""),
        (b'{"entity":"a","attribute":"b","value":"\\ud800"}', ""),
        (b'{"entity":"' + b"x" * ENTRY_BYTES_MAX + b'"}', "bytes"),
    ],
)
def test_a_bad_line_is_told_with_its_number(raw: bytes, reason: str) -> None:
    good = b'{"entity":"a","attribute":"b","value":"c"}\n'
    found = list(read_lines([b"\n", raw + b"\n", b" \r\n", good]))
    assert [number for number, _ in found] == [2, 4]
    bad = found[0][1]
    assert isinstance(bad, BadLine)
    assert bad.line == 2
    assert reason in bad.reason
    assert found[1][1] == FactLine(entity="a", attribute="b", value="c")
