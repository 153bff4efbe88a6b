"""Small worlds full of trouble: several logs with everything that may stand in them.

A generator per kind. Ids, agents, tasks, commands are few, so that entries meet: re-votes,
self-votes, checks of one's own, votes on what never comes, superseding another's candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st
from msgspec import Struct
from tests.laws import fact_kinds, task_kinds

from waggle.agents.folds import FOLDS
from waggle.agents.runs import RunEnd, RunPlan
from waggle.base.ids import replica_of
from waggle.causal.checkpoints import Checkpoint
from waggle.choice.kinds import (
    RULING_NAMESPACE,
    Candidate,
    Check,
    Ruling,
    Vote,
    ruling_statement,
)
from waggle.eventual.facts import FactAssert, FactRetract
from waggle.eventual.members import Join, Leave
from waggle.eventual.task_kinds import (
    TaskAdd,
    TaskClaim,
    TaskEdit,
    TaskRelease,
    TaskRemove,
    TaskRenew,
)
from waggle.log.chain import follow, start
from waggle.log.entry import Agent, Body, Entry, envelope, registry
from waggle.log.line import body as encode
from waggle.log.line import line as put_clock
from waggle.log.sshsig import public_text, sign
from waggle.store.views.decrees import KINDS, Admit, Decree, Distrust, Trust, signed

START_MS = 1_767_225_600_000
SPACE = "main"
NOWHERE = "ef" * 32
"""The id of an entry that never arrives."""
DECODERS = registry([*KINDS, *(kind for fold in FOLDS for kind in fold.kinds)])


def key(number: int) -> Ed25519PrivateKey:
    """Give the n-th key: 0 to 9 for replicas, 10 and 11 for operators, 12 for a stranger."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32)


def public(number: int) -> bytes:
    """Give the n-th public key."""
    return key(number).public_key().public_bytes_raw()


OPERATORS = frozenset(public_text(public(number)) for number in (10, 11))
AGENTS = (
    Agent(name="ann", model="m1", vendor="v1"),
    Agent(name="ann", model="m2"),
    Agent(name="bob", vendor="v1"),
    Agent(name="cat"),
    Agent(name="dan", session="s1", model="m1"),
)


class Log:
    """One replica's log: raw lines, their ids, and its clock."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.replica = replica_of(public(number))
        self.at = START_MS << 16
        self.lines: list[bytes] = []
        self.ids: list[str] = []

    def append(self, at: int, encoded: bytes) -> str:
        """Append a line and give its id."""
        self.at = max(self.at + 1, at)
        self.lines.append(put_clock(self.at, encoded))
        links, refusal = follow(start(SPACE, self.replica), self.lines[:])
        assert refusal is None
        self.ids.append(links[-1].id)
        return self.ids[-1]

    def branch(self, count: int) -> Log:
        """Give another history of this log that shares its first entries with it."""
        twin = Log(self.number)
        twin.lines, twin.ids = self.lines[:count], self.ids[:count]
        twin.at = envelope(twin.lines[-1]).at if twin.lines else twin.at
        return twin


class World:
    """Logs as they grow, and what is in them so far for later entries to refer to."""

    def __init__(self, random: Random, replicas: int = 3, *, decrees: int = 0) -> None:
        """`decrees`: how often a decree is made; others are made about 30 times."""
        self.random = random
        self.kinds = (*_OFTEN, *KINDS * decrees)
        self.logs = [Log(number) for number in range(replicas)]
        self.now_ms = START_MS
        self.tasks: list[str] = []
        self.edits: list[str] = []
        self.claims: list[str] = []
        self.facts: list[str] = []
        self.candidates: list[tuple[str, str]] = []
        """Ids with the tasks that they are for."""
        self.brought: dict[str, list[str]] = {}
        """Candidates by writer."""
        self.made_ms = START_MS
        """When the last ruling or decree was made."""
        self.log, self.by = self.logs[0], AGENTS[0]
        """Who appends next."""
        self.valid_rulings: set[tuple[str, int]] = set()
        """Signature and time of rulings that were made as rulings have to be made."""
        self.valid_decrees: list[Decree] = []
        """Decrees that were made as decrees have to be made."""

    def task(self) -> str:
        """Give a task's id, now and then of one that is not here."""
        return self.random.choice([*self.tasks, *self.tasks, NOWHERE])

    def candidate(self, task: str | None = None) -> str:
        """Give a candidate's id, now and then one of nothing."""
        known = [entry for entry, of in self.candidates if task in (None, of)]
        return self.random.choice([*known, *known, *known, NOWHERE])

    def step(self) -> None:
        """Let time pass or not, and somebody append something."""
        self.now_ms += self.random.choice((0, 0, 1, 40))
        self.log, self.by = self.random.choice(self.logs), self.random.choice(AGENTS)
        kind = self.random.choice(self.kinds if self.tasks else (TaskAdd,))
        self.write(self.log, self.by, GENERATORS[kind](self))

    def write(self, log: Log, by: Agent, value: Body, was: str | None = None) -> str:
        """Append a body to a log."""
        encoded = encode(value.KIND, by.fields(), msgspec.to_builtins(value), was=was)
        entry = log.append(self.now_ms << 16, encoded)
        if isinstance(value, TaskAdd):
            self.tasks.append(entry)
        if isinstance(value, TaskEdit):
            self.edits.append(entry)
        if isinstance(value, TaskClaim):
            self.claims.append(entry)
        if isinstance(value, FactAssert | FactRetract):
            self.facts.append(entry)
        if isinstance(value, Candidate):
            self.candidates.append((entry, value.task))
            self.brought.setdefault(f"{log.replica}/{by.name}", []).append(entry)
        return entry

    def write_junk(self, log: Log) -> None:
        """Append what this version does not know, or what is not of its form."""
        kind, fields = self.random.choice(
            (
                ("vote.retract", {"candidate": self.candidate()}),
                ("vote.cast", {"candidate": self.candidate(), "score": 101}),
                ("vote.cast", {"candidate": "no id", "score": 100}),
                ("candidate.publish", {"task": self.task(), "result": "XYZ"}),
                ("task.edit", {"task": self.task(), "state": "lost"}),
                ("fact.assert", {"attribute": "two\nlines", "entity": "db", "value": "one"}),
                ("check.record", {"candidate": self.candidate()}),
            )
        )
        log.append(self.now_ms << 16, encode(kind, AGENTS[0].fields(), fields))


def _candidate(world: World) -> Candidate:
    task = world.task()
    own = world.brought.get(f"{world.log.replica}/{world.by.name}", [])
    return Candidate(
        task=task,
        text=world.random.choice((None, "x", "\u00fc\n")),
        result=f"{world.random.randrange(3):032x}",
        size=world.random.randrange(3),
        confidence=world.random.choice((None, 0, 55, 95, 100)),
        supersedes=world.random.choice((None, *own, world.candidate(task))),
        flags=world.random.choice(((), ("edits a test",))),
    )


def _vote(world: World) -> Vote:
    score = world.random.choice((0, 0, 30, 50, 51, 100, 100))
    return Vote(candidate=world.candidate(), score=score, blind=world.random.random() < 0.5)


def _check(world: World) -> Check:
    return Check(
        candidate=world.candidate(),
        command=world.random.choice(("make test", "lint")),
        environment=world.random.choice(("linux", "mac")),
        exit=world.random.choice((0, 0, 1, -9)),
        duration_ms=world.random.randrange(3),
        tail=world.random.choice(("", "ok")),
    )


def _ruling(world: World) -> Ruling:
    task = world.task()
    number = world.random.choice((10, 10, 11, 12))
    made = world.random.choice((world.now_ms - 50, world.now_ms, world.made_ms, world.now_ms + 5))
    world.made_ms = made
    candidate = world.random.choice((None, world.candidate(task), world.candidate()))
    bare = Ruling(
        task=task,
        candidate=candidate,
        made=made,
        operator=public_text(public(number)),
        signature="",
    )
    trick = world.random.random()
    signer = 12 if trick < 0.1 else number
    space = "elsewhere" if 0.1 < trick < 0.2 else SPACE
    signature = sign(key(signer), ruling_statement(space, bare), RULING_NAMESPACE)
    signed = msgspec.structs.replace(bare, signature=signature)
    if 0.2 < trick < 0.3:  # signed for something else
        signed = msgspec.structs.replace(signed, made=made + 1)
    elif trick >= 0.2 and number != 12:
        world.valid_rulings.add((signature, made))
    return signed


def _decree(world: World, make: Callable[[dict[str, Any]], Decree]) -> Decree:
    """Give a decree, mostly a good one; `make` adds what its kind says besides."""
    number = world.random.choice((10, 10, 10, 11, 11, 12))
    made = world.random.choice((world.now_ms - 50, world.now_ms, world.made_ms, world.made_ms))
    world.made_ms = made
    bare = make(
        {
            "replica": world.random.choice([log.replica for log in world.logs]),
            "reason": world.random.choice(("", "its key\nwas stolen")),
            "made": made,
            "operator": public_text(public(number)),
            "signature": "",
        }
    )
    trick = world.random.random()
    signer = 12 if trick < 0.1 else number
    decree = signed(key(signer), "elsewhere" if 0.1 < trick < 0.2 else SPACE, bare)
    if 0.2 < trick < 0.3:  # signed for something else
        decree = msgspec.structs.replace(decree, made=decree.made + 1)
    elif trick >= 0.2 and number != 12:
        world.valid_decrees.append(decree)
    return decree


def _trust(world: World) -> Decree:
    return _decree(world, lambda fields: Trust(**fields))


def _distrust(world: World) -> Decree:
    last = world.random.choice((0, world.random.randrange(30), 2**53))
    return _decree(world, lambda fields: Distrust(last=last, **fields))


def _admit(world: World) -> Decree:
    def make(fields: dict[str, Any]) -> Decree:
        logs = [log for log in world.logs if log.replica == fields["replica"]]
        ids = [entry for log in logs for entry in (*log.ids, *log.ids[-3:] * 3)]
        return Admit(entry=world.random.choice([*ids, NOWHERE]), **fields)

    return _decree(world, make)


def _checkpoint(world: World) -> Checkpoint:
    n = world.random.randrange(3)
    return Checkpoint(task=world.task(), run="run-1", commit="ab" * 20, n=n, size=n)


def _plan(world: World) -> RunPlan:
    slot = world.random.randrange(1, 3)
    return RunPlan(task=world.task(), slot=slot, name="ann", command=f"agent {slot}")


def _end(world: World) -> RunEnd:
    slot = world.random.randrange(1, 3)
    return RunEnd(task=world.task(), slot=slot, status=world.random.choice(("done", "crashed")))


def _join(world: World) -> Join:
    return Join(roles=world.random.choice(((), ("build", "deploy"))), lease=60)


def _leave(world: World) -> Leave:
    return Leave(reason=world.random.choice(("", "done\n")))


GENERATORS: Mapping[type[Body], Callable[[World], Body]] = {
    TaskAdd: task_kinds.add,
    TaskEdit: task_kinds.edit,
    TaskRemove: task_kinds.remove,
    TaskClaim: task_kinds.claim,
    TaskRenew: task_kinds.renew,
    TaskRelease: task_kinds.release,
    Candidate: _candidate,
    Vote: _vote,
    Check: _check,
    Ruling: _ruling,
    Checkpoint: _checkpoint,
    RunPlan: _plan,
    RunEnd: _end,
    Join: _join,
    Leave: _leave,
    FactAssert: fact_kinds.asserted,
    FactRetract: fact_kinds.retracted,
    Trust: _trust,
    Distrust: _distrust,
    Admit: _admit,
}
_OFTEN: tuple[type[Body], ...] = (
    *(kind for kind in GENERATORS if kind not in KINDS),
    *(Candidate,) * 5,
    *(Vote,) * 8,
    *(Check,) * 4,
    *(Ruling,) * 2,
    *(TaskEdit,) * 2,
    *(FactAssert,) * 3,
)


class Made(Struct, frozen=True):
    """A finished world: its entries by log, and which rulings and decrees are valid."""

    logs: tuple[Log, ...]
    valid_rulings: frozenset[tuple[str, int]]
    valid_decrees: tuple[Decree, ...]

    @property
    def entries(self) -> list[Entry]:
        """All valid entries of known kinds, log after log."""
        return [entry for log in self.logs for entry in entries_of(log.replica, log.lines)]


def entries_of(replica: str, lines: Sequence[bytes]) -> list[Entry]:
    """Give the valid entries of known kinds in a log."""
    links, refusal = follow(start(SPACE, replica), lines)
    assert refusal is None
    entries = []
    for link in links:
        decode = DECODERS.get(link.envelope.kind)
        if decode is None:
            continue
        try:
            value = decode(link.line)
        except msgspec.ValidationError:
            continue
        entries.append(
            Entry(
                id=link.id,
                replica=replica,
                seq=link.seq,
                at=link.envelope.at,
                by=link.envelope.by,
                body=value,
            )
        )
    return entries


def grow(random: Random, steps: int) -> Made:
    """Make a world of so many steps."""
    world = World(random)
    for _ in range(steps):
        world.step()
        if random.random() < 0.1:
            world.write_junk(random.choice(world.logs))
    return Made(tuple(world.logs), frozenset(world.valid_rulings), tuple(world.valid_decrees))


@st.composite
def worlds(draw: st.DrawFn, max_steps: int = 60) -> Made:
    """Give worlds; Hypothesis prints the seed of one that breaks a law."""
    seed = draw(st.integers(0, 2**32 - 1), label="world seed")
    return grow(Random(seed), draw(st.integers(1, max_steps), label="steps"))


def shuffled(random: Random, entries: Sequence[Entry]) -> list[list[Entry]]:
    """Give the entries in some order, in some batches, some of them twice."""
    again = [entry for entry in entries if random.random() < 0.3]
    order = [*entries, *again]
    random.shuffle(order)
    batches = []
    while order:
        size = random.choice((1, 2, 7, 50))
        batches.append(order[:size])
        del order[:size]
    return batches
