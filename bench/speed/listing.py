"""The task set: the ready list of few and of many open tasks."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.speed.filling import BEGAN_MS, compare, filled, id_of, phrase, stamp
from bench.speed.measure import Samples, Work, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Row, Section
from waggle.eventual.task_kinds import TaskAdd
from waggle.eventual.task_ready import ready
from waggle.eventual.task_similar import similar
from waggle.store.views.view import View

_SHOWN = 20
_LABEL = "ui"
_WORDS = 6
_FLAT = 2.0
"""How many times as much a list of the most tasks may cost as one of the fewest."""
_SETTING = (
    "All tasks are open; one in ten waits for another, one in five has the label that is asked for,"
    " and priorities and titles are drawn by chance. A list has {shown} tasks. Both sizes take"
    " turns. The ready list is to cost what it shows, however many tasks there are; that of a label"
    " gathers the tasks which have it, and titles are compared with those that share rare words, up"
    " to a limit."
)


def measure(sizes: Sizes, folder: Path) -> Section:
    """Measure every read on the views of all sizes."""
    views, folds = dict[int, View](), list[Row]()
    for count in sizes.open_tasks:
        say(f"folding {count:,} open tasks")
        place = folder / f"tasks-{count}"
        view, took = filled(place, _tasks(count))
        (found,) = view.db.execute("SELECT count(*) FROM task WHERE state = 'open'").fetchone()
        assert found == count, "a task is missing"
        views[count] = view
        rate = Samples((took,)).rate(count)
        folds.append(Row(what=f"folding {count:,} `task.add`", ours=rate))
    asked = (
        ("the ready list of {} open tasks", _ready(views, ()), _FLAT),
        ("the ready list of a label, {} open tasks", _ready(views, (_LABEL,)), None),
        ("titles like a new one's, {} open tasks", _similar(views), None),
    )
    rows = [compare(what, sizes.shared_reads, works, most) for what, works, most in asked]
    for view in views.values():
        view.close()
    setting = _SETTING.format(shown=_SHOWN)
    return Section(title="The task set", setting=setting, rows=(*rows, *folds))


def _tasks(count: int) -> Iterator[TaskAdd]:
    rng = random.Random(count)
    for number in range(count):
        waits = number and rng.random() < 0.1
        yield TaskAdd(
            title=phrase(rng, _WORDS),
            priority=rng.randrange(10),
            labels=(_LABEL,) if rng.random() < 0.2 else (),
            depends=(id_of(rng.randrange(number)),) if waits else (),
        )


def _ready(views: Mapping[int, View], labels: Sequence[str]) -> dict[int, Work]:
    def reader(view: View) -> Work:
        assert len(ready(view.db, BEGAN_MS, _SHOWN, labels)) > 0
        return timed(lambda: ready(view.db, BEGAN_MS, _SHOWN, labels))

    return {count: reader(view) for count, view in views.items()}


def _similar(views: Mapping[int, View]) -> dict[int, Work]:
    rng, before = random.Random(1), (stamp(max(views)), "")

    def reader(view: View) -> Work:
        def read() -> float:
            title = phrase(rng, _WORDS)
            return timed(lambda: similar(view.db, title, before))()

        return read

    return {count: reader(view) for count, view in views.items()}
