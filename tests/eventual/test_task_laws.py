"""Several replicas, random work, random delivery, against a recount of the same entries."""

from __future__ import annotations

import tempfile
from hashlib import blake2b
from itertools import permutations
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import UNSET
from tests.eventual.task_model import Model, said

from waggle.agents.folds import FOLDS
from waggle.base.clock import stamp
from waggle.eventual import task_claims, task_ready, task_registers, tasks
from waggle.eventual.task_kinds import (
    FIELDS,
    TaskAdd,
    TaskClaim,
    TaskEdit,
    TaskRelease,
    TaskRemove,
    TaskRenew,
)
from waggle.log.entry import Agent, Body, Entry
from waggle.store.views.view import View

START_MS = 1_767_225_600_000
AGENTS = (Agent(name="ann"), Agent(name="bob"))
REPLICAS = 3
SEEDS = st.integers(0, 2**32 - 1)


class Replica:
    """One store: what it has, and its view."""

    def __init__(self, number: int) -> None:
        self.name = f"{number:032x}"
        self.folder = tempfile.TemporaryDirectory()
        self.view = View(self.folder.name, "main", FOLDS, frozenset())
        self.view.db.execute("PRAGMA synchronous=OFF")
        self.has: dict[str, Entry] = {}

    def take(self, entries: list[Entry]) -> None:
        """Fold a batch."""
        with self.view.transaction():
            self.view.fold(entries)
        self.has.update({entry.id: entry for entry in entries})

    def close(self) -> None:
        self.view.close()
        self.folder.cleanup()


class Swarm(RuleBasedStateMachine):
    """Agents who act on what their own replica shows, and entries that arrive in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.replicas = [Replica(number) for number in range(REPLICAS)]
        self.everything: list[Entry] = []
        self.now_ms = START_MS
        self.ats = [0] * REPLICAS

    def teardown(self) -> None:
        """Deliver all to all: then all show the same, and it is what a recount says."""
        for replica in self.replicas:
            replica.take(self.random.sample(self.everything, len(self.everything)))
            self.compare(replica)
        assert len({replica.view.digest() for replica in self.replicas}) == 1
        for replica in self.replicas:
            replica.close()

    # --- acting ----------------------------------------------------------------------------

    @initialize(seed=SEEDS)
    def draw(self, seed: int) -> None:
        self.random = Random(seed)

    def append(self, body: Body) -> Entry:
        """Let somebody append something on their own replica, whose clock may be off."""
        skew = (0, 3, -40)[self.number]
        at = max(self.ats[self.number] + 1, stamp(self.now_ms + skew))
        self.ats[self.number] = at
        number = len(self.everything)
        entry = Entry(
            id=blake2b(str(number).encode(), digest_size=32).hexdigest(),
            replica=self.here.name,
            seq=number + 1,
            at=at,
            by=self.by,
            body=body,
        )
        self.everything.append(entry)
        self.here.take([entry])
        return entry

    def someone(self) -> None:
        """Draw who acts and where, and let time pass or not."""
        self.now_ms += self.random.choice((0, 0, 1, 600, 5_000))
        self.number = self.random.randrange(REPLICAS)
        self.here, self.by = self.replicas[self.number], self.random.choice(AGENTS)

    def a_task(self) -> str | None:
        """Give a task that is here."""
        known = [entry.id for entry in self.here.has.values() if isinstance(entry.body, TaskAdd)]
        return self.random.choice(known) if known else None

    def over(self, task: str, names: tuple[str, ...], *, everything: bool) -> tuple[str, ...]:
        """Give what an author saw: its own writes and the add, or all that stands here."""
        me = f"{self.here.name}/{self.by.name}"
        fields = tasks.registers(self.here.view.db, task)
        heads = [head for name in names for head in fields[name].heads]  # type: ignore[index]
        return tuple({head.id for head in heads if everything or head.by == me or head.id == task})

    @rule()
    def add(self) -> None:
        self.someone()
        known = [task for _ in range(2) if (task := self.a_task())]
        depends = tuple(known[: self.random.randrange(3)])
        priority = self.random.choice((5, 1))
        self.append(TaskAdd(title="work", depends=depends, priority=priority, labels=("x", "a")))

    @rule(everything=st.booleans())
    def edit(self, *, everything: bool) -> None:
        self.someone()
        task, draw = self.a_task(), self.random
        if task is None:
            return
        names = tuple(draw.sample(FIELDS, draw.randrange(1, 4)))
        other = self.a_task()
        assert other is not None
        self.append(
            TaskEdit(
                task=task,
                over=self.over(task, names, everything=everything),
                title=f"title {draw.randrange(2)}" if "title" in names else UNSET,
                prompt="do it" if "prompt" in names else UNSET,
                note=f"note {draw.randrange(2)}" if "note" in names else UNSET,
                priority=draw.randrange(2) if "priority" in names else UNSET,
                labels=("b", "a") if "labels" in names else UNSET,
                depends=draw.choice(((), (other,), (other, task))) if "depends" in names else UNSET,
                state=draw.choice(("open", "done", "done", "dropped")) if "state" in names
                else UNSET,
            )
        )  # fmt: skip

    @rule(everything=st.booleans())
    def remove(self, *, everything: bool) -> None:
        self.someone()
        task = self.a_task()
        if task is not None:
            over = self.over(task, FIELDS, everything=everything)
            self.append(TaskRemove(task=task, over=tuple(one for one in over if one != task)))
            if everything:
                assert not tasks.find_task(self.here.view.db, task).visible

    @rule(anyway=st.booleans())
    def claim(self, *, anyway: bool) -> None:
        self.someone()
        task = self.a_task()
        if task is not None:
            standing = task_claims.standing(self.here.view.db, task)
            over = [one.id for one in standing if anyway or not one.holds(self.now_ms)]
            self.append(TaskClaim(task=task, lease_s=self.random.choice((1, 20)), over=tuple(over)))

    @rule(renew=st.booleans())
    def speak_of_a_claim(self, *, renew: bool) -> None:
        self.someone()
        known = [entry for entry in self.here.has.values() if isinstance(entry.body, TaskClaim)]
        own = [entry for entry in known if (entry.replica, entry.by) == (self.here.name, self.by)]
        if known:
            claim = self.random.choice([*known, *own * 3]).id  # now and then another's
            lease = self.random.choice((5, 30))
            self.append(
                TaskRenew(claim=claim, lease_s=lease) if renew else TaskRelease(claims=(claim,))
            )

    @rule()
    def deliver(self) -> None:
        """Bring some of what there is, in any order, some of it again."""
        self.someone()
        count = self.random.randrange(len(self.everything) + 1)
        self.here.take(self.random.sample(self.everything, count))

    # --- what must hold --------------------------------------------------------------------

    @invariant()
    def what_a_replica_shows_is_what_a_recount_of_its_entries_says(self) -> None:
        for replica in self.replicas:
            self.compare(replica)

    def compare(self, replica: Replica) -> None:
        db, model = replica.view.db, Model(replica.has.values())
        for task in model.adds:
            self.compare_task(replica, model, task)
        ready = [task.id for task in task_ready.ready(db, self.now_ms, -1)]
        assert ready == model.ready(self.now_ms)
        circles = task_ready.cycles(db)
        assert bool(circles) == any(model.circular(task) for task in model.adds)
        for circle in circles:
            for one, needs in zip(circle, (*circle[1:], circle[0]), strict=True):
                assert needs in model.blockers(one)
                assert one not in ready

    def compare_task(self, replica: Replica, model: Model, task: str) -> None:
        db, found = replica.view.db, tasks.find_task(replica.view.db, task)
        fields = tasks.registers(db, task)
        for name in FIELDS:
            heads = [head.id for head in fields[name].heads]
            assert heads == [entry.id for entry in model.heads(task, name)], name
        conflicts = [name for name in FIELDS if fields[name].conflict]
        assert conflicts == model.conflicts(task)
        assert found.conflicts == len(conflicts)
        assert (found.body.title, found.body.priority) == (
            model.shown(task, "title"),
            model.shown(task, "priority"),
        )
        assert frozenset(found.body.labels) == model.shown(task, "labels")
        assert (found.visible, found.state) == (model.visible(task), model.state(task))
        assert (task_registers.unseen(db, task, fields) == []) == (not found.visible)
        assert found.blockers == len(model.blockers(task))
        assert bool(task_ready.cycle_through(db, task)) == model.circular(task)
        held = [claim.id for claim in task_claims.claims(db, task, self.now_ms)]
        assert held == [entry.id for entry in model.holding(task, self.now_ms)]


Swarm.TestCase.settings = settings(
    max_examples=min(settings().max_examples, 400), stateful_step_count=30, deadline=None
)
TestSwarm = Swarm.TestCase


def test_the_recount_itself_keeps_what_nobody_superseded() -> None:
    """Two edits over the add alone both stand, and a third over one of them leaves the other."""
    by, task = AGENTS[0], "aa" * 32
    bodies = {
        task: TaskAdd(title="t"),
        "bb" * 32: TaskEdit(task=task, over=(task,), title="b"),
        "cc" * 32: TaskEdit(task=task, over=(task,), title="c"),
        "dd" * 32: TaskEdit(task=task, over=("bb" * 32,), title="d"),
    }
    model = Model(
        Entry(id=entry, replica="0" * 32, seq=at, at=at, by=by, body=body)
        for at, (entry, body) in enumerate(bodies.items(), 1)
    )
    assert [said(head, "title") for head in model.heads(task, "title")] == ["d", "c"]


A_TASK, ONE, TWO = "aa" * 32, "bb" * 32, "cc" * 32
FORGED: dict[str, dict[str, Body]] = {
    "an edit names itself": {ONE: TaskEdit(task=A_TASK, over=(ONE,), title="b")},
    "an edit is its own task": {
        A_TASK: TaskEdit(task=A_TASK, title="b"),
        ONE: TaskEdit(task=A_TASK, over=(A_TASK,), title="c"),
    },
    "edits supersede one another in a circle": {
        ONE: TaskEdit(task=A_TASK, over=(TWO, A_TASK), title="b"),
        TWO: TaskEdit(task=A_TASK, over=(ONE, A_TASK), title="c"),
    },
    "claims take over from one another in a circle": {
        ONE: TaskClaim(task=A_TASK, lease_s=9, over=(TWO, ONE)),
        TWO: TaskClaim(task=A_TASK, lease_s=9, over=(ONE,)),
    },
}
"""An id is a hash of what it names, but for an entry that claims to have been another."""
LEASED: dict[str, dict[str, Body]] = {
    "a claim is renewed twice and given up": {
        ONE: TaskClaim(task=A_TASK, lease_s=5),
        TWO: TaskRenew(claim=ONE, lease_s=20),
        "dd" * 32: TaskRenew(claim=ONE, lease_s=9),
        "ee" * 32: TaskRelease(claims=(ONE,)),
    },
}


@pytest.mark.parametrize("name", [*FORGED, *LEASED])
def test_few_entries_are_folded_alike_in_every_order(name: str) -> None:
    bodies = {A_TASK: TaskAdd(title="t"), **FORGED.get(name, {}), **LEASED.get(name, {})}
    entries = [
        Entry(id=entry, replica="0" * 32, seq=at, at=at, by=AGENTS[0], body=body)
        for at, (entry, body) in enumerate(bodies.items(), 1)
    ]
    digests = set()
    for order in permutations(entries):
        replica = Replica(0)
        for entry in order:
            replica.take([entry])
        digests.add(replica.view.digest())
        for found in tasks.tasks(replica.view.db):
            assert tasks.registers(replica.view.db, found.id)["title"].heads
        replica.close()
    assert len(digests) == 1
