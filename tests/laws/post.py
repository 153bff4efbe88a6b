"""A post that carries logs into stores, as real frames in real git."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.conftest import Forger, World
from tests.laws.worlds import Log, public

from waggle.log.sshsig import public_text
from waggle.store import config

OPERATORS = tuple(public_text(public(number)) for number in (10, 11))
SETTINGS = config.Config(operators=OPERATORS)


class Post:
    """Carries logs into one store, in frames cut anywhere."""

    def __init__(self, world: World, name: str, settings: config.Config = SETTINGS) -> None:
        repository = world.store(name)
        config.save(repository.store_dir, settings)
        self.space = world.space(repository)
        self._forgers: dict[int, Forger] = {}
        self._tips: dict[int, tuple[str, int]] = {}
        """By `id` of a log, since a forked log has several histories."""

    def deliver(self, log: Log, count: int) -> None:
        """Bring up to `count` more lines of a log, as one frame."""
        tip, done = self._tips.get(id(log), ("", 0))
        lines = log.lines[done : done + count]
        if not lines:
            return
        forger = self._forgers.get(log.number)
        if forger is None:
            forger = Forger(self.space.objects, bytes([log.number + 1]) * 32)
            self._forgers[log.number] = forger
        assert forger.replica == log.replica
        before = log.ids[done - 1] if done else None
        parents = (tip,) if tip else ()
        oid = forger.frame(lines, first=done + 1, before=before, parents=parents)
        forger.point(oid)
        self._tips[id(log)] = (oid, done + len(lines))
        assert {found.kind for found in self.space.find_logs()} <= {"forked", "rewound"}

    def deliver_all(self, logs: Sequence[Log], random: Random) -> None:
        """Bring all of some logs, by turns, reading now and then."""
        while left := [log for log in logs if self._tips.get(id(log), ("", 0))[1] < len(log.ids)]:
            self.deliver(random.choice(left), random.randrange(1, 9))
            if random.random() < 0.5:
                self.space.folding.catch_up()
