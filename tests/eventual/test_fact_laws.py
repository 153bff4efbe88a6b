"""The laws of facts: whatever arrives, in whatever order, reads as a recount of it does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from hashlib import blake2b
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.eventual.fact_model import Model, Pair, value_of

from waggle.eventual import fact_reads
from waggle.eventual.fact_reads import Fact
from waggle.eventual.fact_search import search
from waggle.eventual.facts import FACT_FOLD, FactAssert, FactBody, FactRetract
from waggle.log.entry import Agent, Entry
from waggle.store.views.view import View

REPLICAS = ("0a" * 16, "0b" * 16, "0c" * 16)
AGENTS = (Agent(name="ann"), Agent(name="bob", model="m"))
NOWHERE = "ef" * 32
ENTITIES = st.sampled_from(("db", "web server"))
ATTRIBUTES = st.sampled_from(("host", "port"))
VALUES = ("", "one", "two", "One-two two_one", "\u00dcber 1\u20442", "\0 \U0001f41d x")
QUERIES = st.sampled_from(
    (
        "one",
        "ONE",
        "o",
        "two one",
        "one-two",
        "uber",
        "\u00fcb",
        "db one",
        "web",
        "serv host",
        "1",
        "y",
    )
)
WHICH = st.integers(0, len(REPLICAS) - 1)
SEEDS = st.integers(0, 2**32 - 1)


def ids(facts: Iterable[Entry | Fact]) -> list[str]:
    return [one.id for one in facts]


class Replica:
    """One replica: its log's clock, what has arrived at it, and its view."""

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self.at = 0
        self.written = 0
        self.here: dict[str, Entry] = {}
        self.view = View(folder, name, (FACT_FOLD,), frozenset())
        self.view.db.execute("PRAGMA synchronous=OFF")

    def receive(self, batch: list[Entry]) -> None:
        self.here.update((entry.id, entry) for entry in batch)
        with self.view.transaction():
            self.view.fold(batch)

    def append(self, by: Agent, body: FactBody, now: int) -> Entry:
        self.at, self.written = max(self.at + 1, now), self.written + 1
        name = blake2b(f"{self.name} {self.written}".encode(), digest_size=32).hexdigest()
        entry = Entry(id=name, replica=self.name, seq=self.written, at=self.at, by=by, body=body)
        self.receive([entry])
        return entry


class Knowing(RuleBasedStateMachine):
    """Replicas whose agents write down facts, and learn of others' in any order, some twice."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.replicas = [Replica(name, self.folder.name) for name in REPLICAS]
        self.every: list[Entry] = []
        self.now = 1 << 16
        self.touched = self.replicas[0]
        """Whose reads are compared next."""

    @initialize(seed=SEEDS)
    def draw(self, seed: int) -> None:
        self.random = Random(seed)

    def model(self, replica: Replica) -> Model:
        """Give the recount of what is at a replica."""
        return Model(replica.here.values())

    # --- what happens ----------------------------------------------------------------------

    @rule(
        which=WHICH,
        by=st.sampled_from(AGENTS),
        pair=st.tuples(ENTITIES, ATTRIBUTES),
        value=st.sampled_from((None, *VALUES)),
        over=st.sampled_from(("own", "all", "any", "none")),
    )
    def write(self, which: int, by: Agent, pair: Pair, value: str | None, over: str) -> None:
        self.now += self.random.randrange(3)
        replica = self.touched = self.replicas[which]
        heads = self.model(replica).heads(pair)
        seen = {
            "own": [one.id for one in heads if one.writer == f"{replica.name}/{by.name}"],
            "all": [one.id for one in heads],
            # Of other registers, not here yet, and nothing at all: none of it may do harm.
            "any": self.random.choices([*(one.id for one in self.every[-20:]), NOWHERE], k=3),
            "none": [],
        }[over]
        entity, attribute = pair
        body: FactBody = FactRetract(entity=entity, attribute=attribute, supersedes=tuple(seen))
        if value is not None:
            body = FactAssert(
                entity=entity, attribute=attribute, value=value, supersedes=tuple(seen)
            )
        self.every.append(replica.append(by, body, self.now))

    @rule(which=WHICH, many=st.integers(1, 12))
    def deliver(self, which: int, many: int) -> None:
        replica = self.touched = self.replicas[which]
        if self.every:
            replica.receive(self.random.choices(self.every, k=many))

    @rule(which=WHICH)
    def rebuild(self, which: int) -> None:
        """Fold everything again, in another order."""
        replica = self.touched = self.replicas[which]
        before = replica.view.digest()
        with replica.view.transaction():
            replica.view.clear()
            replica.view.fold(self.random.sample([*replica.here.values()], len(replica.here)))
        assert replica.view.digest() == before

    # --- what is read ----------------------------------------------------------------------

    @rule(which=WHICH, words=QUERIES)
    def find(self, which: int, words: str) -> None:
        replica = self.replicas[which]
        model, hits = self.model(replica), search(replica.view.db, words, 1000)
        assert {hit.fact.id for hit in hits} == model.found(words)
        contested = {hit.fact.id for hit in hits if hit.conflict}
        assert contested == {
            hit.fact.id
            for hit in hits
            if (hit.fact.entity, hit.fact.attribute) in model.conflicts()
        }

    @rule(which=WHICH, entity=ENTITIES, aside=st.integers(-1, 1))
    def look_back(self, which: int, entity: str, aside: int) -> None:
        """Read as of the stamp of some fact, or just beside it."""
        replica = self.replicas[which]
        stamps = [one.at for one in replica.here.values()]
        as_of = self.random.choice([*stamps, self.now]) + aside
        model = self.model(replica)
        pairs = [pair for pair in model.pairs() if pair[0] == entity]
        then = [ids(model.heads(pair, as_of)) for pair in pairs]
        found = fact_reads.registers(replica.view.db, entity, as_of=as_of)
        assert [ids(one.heads) for one in found] == [heads for heads in then if heads]

    @invariant()
    def reads_as_a_recount(self) -> None:
        db, model = self.touched.view.db, self.model(self.touched)
        for pair in model.pairs():
            history = model.history(pair)
            facts = fact_reads.history(db, *pair)
            assert ids(facts) == ids(history)
            assert [one.value for one in facts] == [*map(value_of, history)]
            assert [one.until for one in facts] == [*map(model.until, history)]
            assert ids(fact_reads.history(db, *pair, limit=2)) == ids(history)[:2]
            heads = [ids(one.heads) for one in fact_reads.registers(db, *pair)]
            assert heads == ([ids(model.heads(pair))] if model.heads(pair) else [])
        found = fact_reads.conflicts(db)
        assert [(one.shown.entity, one.shown.attribute) for one in found] == model.conflicts()
        assert fact_reads.count_conflicts(db) == len(model.conflicts())

    def teardown(self) -> None:
        """Once all have everything, all say the same."""
        for n, replica in enumerate(self.replicas):
            order = self.every[:: (-1) ** n]
            for start in range(0, len(order), 3):
                replica.receive(order[start : start + 3])
        digests = {replica.view.digest() for replica in self.replicas}
        orders = {
            tuple(hit.fact.id for hit in search(replica.view.db, "one", 1000))
            for replica in self.replicas
        }
        for replica in self.replicas:
            replica.view.close()
        self.folder.cleanup()
        assert len(digests) == 1
        assert len(orders) == 1


TestKnowing = Knowing.TestCase
TestKnowing.settings = settings(stateful_step_count=40)
