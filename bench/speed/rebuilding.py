"""Whole logs: rebuilding the view from sealed entries, and verifying it, in a child process."""

from __future__ import annotations

from collections.abc import Sequence

from bench.speed import child
from bench.speed.ladder import Step
from bench.speed.measure import Samples, say
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section

_AGAINST = "`json.loads` of the same lines"
_SETTING = (
    "Each repetition is a process of its own on a log whose entries are all sealed in git: every"
    " signature and running hash is checked. Memory is what the process takes beyond an open"
    " space at most (resident set). The sizes take turns."
)


def measure(sizes: Sizes, steps: Sequence[Step]) -> tuple[Section, list[Row]]:
    """Measure; give also the rows of the plot, one for each number of entries."""
    found: dict[int, list[dict[str, float]]] = {step.votes: [] for step in steps}
    for turn in range(max(sizes.rebuilds)):
        for step, repetitions in zip(steps, sizes.rebuilds, strict=True):
            if turn < repetitions:
                say(f"rebuilding {step.votes:,} votes, {turn + 1} of {repetitions}")
                found[step.votes].append(_report("rebuild", step))
    rows = [_row(sizes, step, found[step.votes]) for step in steps]
    by_votes = dict(zip((step.votes for step in steps), steps, strict=True))
    sealed, most = by_votes[sizes.sealed], steps[-1]
    linear = Row(
        what=f"linear: time per entry of {most.votes:,}",
        ours=_column(found[most.votes], "seconds").per(most.entries),
        baseline=_column(found[sealed.votes], "seconds").per(sealed.entries),
        against=f"time per entry of {sealed.votes:,}",
        goals=(Goal(limit=1.5),),
    )
    memory = [
        Row(what=f"memory for rebuilding {step.votes:,}", ours=_memory(found[step.votes]))
        for step in steps
    ]
    say(f"verifying {sealed.votes:,} votes")
    checks = [_report("verify", sealed) for _ in range(sizes.verifies)]
    verified = Row(
        what=f"verifying {sealed.votes:,} entries (`waggle verify`)",
        ours=_column(checks, "seconds"),
        baseline=_column(checks, "floor"),
        against=_AGAINST,
    )
    all_rows = (*rows, linear, *memory, verified)
    title = "Rebuilding and verifying"
    return Section(title=title, setting=_SETTING, rows=all_rows, plot="bench-rebuild.svg"), rows


def _report(job: str, step: Step) -> dict[str, float]:
    found = child.report(job, str(step.folder))
    assert found["entries"] == step.entries, "not every entry was read"
    return found


def _column(reports: Sequence[dict[str, float]], name: str) -> Samples:
    return Samples(tuple(report[name] for report in reports))


def _memory(reports: Sequence[dict[str, float]]) -> Samples:
    values = tuple((report["peak"] - report["before"]) / 2**20 for report in reports)
    return Samples(values, "MiB")


def _row(sizes: Sizes, step: Step, reports: Sequence[dict[str, float]]) -> Row:
    goal = (Goal(limit=1.5, of="figure"),) if step.votes == sizes.sealed else ()
    return Row(
        what=f"rebuilding the view from {step.votes:,} sealed votes",
        ours=_column(reports, "seconds"),
        baseline=_column(reports, "floor"),
        against=_AGAINST,
        goals=goal,
    )
