"""A fleet of replicas that work, fail and sync at random, and what must hold of it in the end.

Everything is drawn from one seed: who writes what, who syncs with whom over which links, and what
goes wrong. The stores, the git repositories and the folds are the real ones; time is each device's
own. A crash is an exception that no code of ours catches, raised inside sealing and syncing, after
which the device opens its store anew (tests/crash does the same with SIGKILL and power cuts).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.laws import fact_kinds, task_kinds

from waggle.agents.folds import FOLDS
from waggle.base.errors import WaggleError
from waggle.choice import ballot, outcome
from waggle.choice.kinds import Candidate, Check, Vote
from waggle.choice.rules import DEFAULT
from waggle.eventual.members import Join, Leave
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent, Body
from waggle.store.outside import Outside
from waggle.store.repo.locate import find
from waggle.store.setup import initialise
from waggle.store.space import Draft, Space
from waggle.sync.git.exchange import Exchange, Report
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Transport
from waggle.sync.live import wire
from waggle.sync.node.talk import Talk

START_MS = 1_767_225_600_000
YEAR_MS = 365 * 24 * 3600 * 1000
DEVICES, REMOTES = 5, 3
PATIENCE_S = 90.0
AGENTS = ("ann", "bob", "eve")
CRASHES = ("plan", "planned", "objects", "ref", "sealed", "fetched", "received", "pushed")


SHARED = 0.4
"""How much of what is written is shared state; the rest is work on candidates."""


class Shown:
    """What one device shows, for those who write next on it."""

    def __init__(self, chance: random.Random, device: Device, tasks: list[str]) -> None:
        self.random = chance
        self.tasks = tasks
        self.edits = device.ids("SELECT DISTINCT id FROM task_head ORDER BY id")
        self.claims = device.ids("SELECT id FROM task_claim ORDER BY id")
        self.facts = device.ids("SELECT id FROM fact ORDER BY id")


SHARED_KINDS: Sequence[Callable[[Shown], Body]] = (
    task_kinds.edit, task_kinds.edit, task_kinds.remove, task_kinds.claim, task_kinds.claim,
    task_kinds.renew, task_kinds.release, fact_kinds.asserted, fact_kinds.asserted,
    fact_kinds.retracted, lambda _: Join(), lambda _: Leave(),
)  # fmt: skip


class Crash(BaseException):
    """The process is gone."""


class Device:
    """One replica: a clone with a store, its clock, and what it acknowledged to its agents."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.folder = folder
        self.skew_ms = 0
        self.links: set[int] = set(range(REMOTES))
        self.acked: set[str] = set()
        self.crash_at = ""
        self._space: Space | None = None
        self._talk: Talk | None = None

    def now_ms(self) -> int:
        return self.fleet.time_ms + self.skew_ms

    @property
    def outside(self) -> Outside:
        return Outside(now_ms=self.now_ms, entropy=self.fleet.random.randbytes, reached=self._reach)

    def _reach(self, phase: str) -> None:
        if phase == self.crash_at:
            self.crash_at = ""
            self.fleet.count[f"crash: {phase}"] += 1
            raise Crash

    @property
    def space(self) -> Space:
        if self._space is None:
            self._space = Space(find(str(self.folder), {}), "main", FOLDS, self.outside)
        return self._space

    @property
    def talk(self) -> Talk:
        if self._talk is None:
            self._talk = Talk(self.space)
        return self._talk

    def close(self) -> None:
        if self._talk is not None:
            self.fleet.count.update({f"live: {k}": n for k, n in self._talk.count.items()})
            self._talk.close()
            self._talk = None
        if self._space is not None:
            self._space.close()
            self._space = None

    def remote(self, number: int) -> Remote:
        """Give a remote as this device sees it: through a link that can be cut."""
        name = f"remote{number}"
        where = str(self.fleet.folder / f"link-{self.folder.name}-{number}")
        if number in self.links and not os.path.islink(where):
            os.symlink(self.fleet.folder / name, where)
        if number not in self.links and os.path.islink(where):
            os.remove(where)
        return Remote(name=name, where=where, track=name, prefix="refs/waggle")

    def write(self, body: Body) -> None:
        agent = self.fleet.random.choice(AGENTS)
        written = self.space.append(Draft(body=body), Agent(name=agent, model=f"m-{agent}"))
        self.acked.add(written.id)

    def ids(self, query: str) -> list[str]:
        """Give the first column of what the view shows."""
        return [row[0] for row in self.space.db.execute(query)]

    def sync(self, numbers: list[int]) -> Report:
        transport = Transport(self.space.repository.common_dir, os.environ, 60)
        remotes = [self.remote(number) for number in numbers]
        exchange = Exchange(self.space, transport)
        report = exchange.sync(remotes)
        self.talk.trim()
        self.fleet.frames(self, [one.oid for one in exchange.sealed])
        return report


class Fleet:
    """Devices and remotes, and the random life they lead."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.time_ms = START_MS
        self.count: Counter[str] = Counter()
        self.devices: list[Device] = []
        self._backups: dict[int, list[Path]] = {number: [] for number in range(REMOTES)}
        for number in range(REMOTES):
            _make(folder / f"remote{number}")
        template = folder / "template"
        _run("git", "init", "-q", "--template=", str(template))
        for number in range(DEVICES):
            self._add(f"device{number}", template)

    def _add(self, name: str, source: Path) -> Device:
        folder = self.folder / name
        shutil.copytree(source, folder, symlinks=True)
        device = Device(self, folder)
        initialise(find(str(folder), {}), device.outside)
        self.devices.append(device)
        return device

    def close(self) -> None:
        for device in self.devices:
            device.close()

    def live(self, steps: int) -> None:
        """Let so many things happen."""
        weights: Mapping[Callable[[Device], None], int] = {
            self._write: 120,
            self._sync: 22,
            self._say: 40,
            self._greet: 12,
            self._cut: 8,
            self._mend: 8,
            self._arm: 8,
            self._jump: 5,
            self._roll_back: 3,
            self._back_up: 6,
            self._copy: 1,
            self._reset: 1,
        }
        names, chances = list(weights), list(weights.values())
        for _ in range(steps):
            self.time_ms += self.random.randrange(60_000)
            device = self.random.choice(self.devices)
            (act,) = self.random.choices(names, chances)
            try:
                act(device)
            except Crash:
                device.close()

    # --- what happens ------------------------------------------------------------------------

    def _write(self, device: Device) -> None:
        body = self._body(device)
        device.write(body)
        self.count[f"written: {body.KIND}"] += 1

    def _body(self, device: Device) -> Body:
        db, chance = device.space.db, self.random
        tasks = [row[0] for row in db.execute("SELECT id FROM task ORDER BY id")]
        candidates = [row[0] for row in db.execute("SELECT id FROM candidate ORDER BY id")]
        if tasks and chance.random() < SHARED:
            return chance.choice(SHARED_KINDS)(Shown(chance, device, tasks))
        kind = chance.random()
        if not tasks or kind < 0.08:
            return TaskAdd(title=f"task {chance.randrange(1000)}")
        if not candidates or kind < 0.3:
            result = f"{chance.randrange(4):032x}"
            return Candidate(task=chance.choice(tasks), result=result, size=chance.randrange(1, 5))
        chosen = chance.choice(candidates)
        if kind < 0.85:
            return Vote(candidate=chosen, score=chance.choice((0, 0, 40, 100, 100)))
        return Check(
            candidate=chosen,
            command=chance.choice(("make test", "make lint")),
            environment="linux",
            exit=chance.choice((0, 0, 1)),
        )

    def _sync(self, device: Device) -> None:
        numbers = self.random.sample(range(REMOTES), self.random.choice((1, 1, 2)))
        try:
            report = device.sync(numbers)
        except WaggleError as error:
            if error.code != "busy":
                raise
            self.count["sync: busy"] += 1
            return
        self.count["sync"] += 1
        for one in report.remotes:
            self.count["sync: a remote was out of reach"] += one.trouble is not None
            for finding in one.findings:
                self.count[f"found: {finding.kind}"] += 1

    def _say(self, device: Device) -> None:
        """Let a device say what is new on the live path, to whoever it reaches just now."""
        self._deliver(device, device.talk.news())

    def frames(self, device: Device, oids: list[str]) -> None:
        """Let a device say which frames it has just sealed."""
        self._deliver(device, device.talk.frames(oids))

    def _greet(self, device: Device) -> None:
        self._deliver(device, device.talk.hello())

    def _deliver(self, sender: Device, messages: list[bytes]) -> None:
        """Carry messages as a bad network does: lost, doubled, out of order."""
        for hearer in self.random.sample(self.devices, self.random.randrange(len(self.devices))):
            if hearer is sender:
                continue
            carried = [one for one in messages for _ in range(self.random.choice((0, 1, 1, 2)))]
            self.random.shuffle(carried)
            self.count["live: messages lost"] += len(set(messages) - set(carried))
            for message in carried:
                self._hear(hearer, sender, message)

    def _hear(self, hearer: Device, sender: Device, message: bytes) -> None:
        """Let a device hear a message; its questions are answered, or get lost, too."""
        self.count["live: messages heard"] += 1
        questions = hearer.talk.hear(sender.folder.name, message)
        for question in questions:
            self.count["live: questions"] += 1
            if self.random.random() < 0.7:
                for answer in sender.talk.answer(wire.encode(question.ask)):
                    hearer.talk.hear(sender.folder.name, answer)

    def _cut(self, device: Device) -> None:
        device.links.discard(self.random.randrange(REMOTES))
        self.count["link cut"] += 1

    def _mend(self, device: Device) -> None:
        device.links.add(self.random.randrange(REMOTES))

    def _arm(self, device: Device) -> None:
        """Let the device crash the next time it comes by one of these places."""
        device.crash_at = self.random.choice(CRASHES)

    def _jump(self, device: Device) -> None:
        far = self.random.choice((60_000, 600_000, 3_600_000, YEAR_MS))
        device.skew_ms = self.random.choice((-far, far, 0))
        self.count["clock jumped"] += 1

    def _back_up(self, _device: Device) -> None:
        number = self.random.randrange(REMOTES)
        copy = self.folder / f"backup-{number}-{len(self._backups[number])}"
        shutil.copytree(self.folder / f"remote{number}", copy)
        self._backups[number].append(copy)

    def _roll_back(self, _device: Device) -> None:
        """Restore a remote from an older backup, as a host does after a disk has died."""
        number = self.random.randrange(REMOTES)
        if self._backups[number]:
            self._replace(number, self.random.choice(self._backups[number]))
            self.count["remote rolled back"] += 1

    def _reset(self, _device: Device) -> None:
        number = self.random.randrange(REMOTES)
        empty = self.folder / "empty"
        if not empty.exists():
            _make(empty)
        self._replace(number, empty)
        self.count["remote reset"] += 1

    def _replace(self, number: int, source: Path) -> None:
        remote = self.folder / f"remote{number}"
        shutil.rmtree(remote)
        shutil.copytree(source, remote)

    def _copy(self, device: Device) -> None:
        """Copy a device's whole disk while it is off; both go on."""
        if len(self.devices) >= DEVICES + 2:
            return
        device.close()
        twin = self._add(f"device{len(self.devices)}", device.folder)
        twin.skew_ms, twin.links = device.skew_ms, set(device.links)
        self.count["store copied"] += 1

    # --- the end -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Mend every link, set every clock right, and sync by one remote until nothing is new."""
        self.time_ms += 3 * YEAR_MS
        for device in self.devices:
            device.skew_ms, device.crash_at = 0, ""
            device.links = set(range(REMOTES))
        number = self.random.randrange(REMOTES)
        # The last one to bring has everything already.
        for device in (*self.devices, *self.devices[:-1]):
            self._sync_well(device, number)

    def _sync_well(self, device: Device, number: int) -> None:
        """Sync, again where its answer says so: git of a killed sync may still hold a lock."""
        end = time.monotonic() + PATIENCE_S
        while True:
            report = device.sync([number])
            troubles = [one.trouble for one in report.remotes if one.trouble]
            if not any(one.again for one in troubles) or time.monotonic() > end:
                break
            self.count["sync: again, as it said"] += 1
        assert not troubles, report

    def check(self) -> None:
        """Hold the devices against one another, and against what they had acknowledged."""
        first, *others = self.devices
        admitted, digest = _state(first)
        choices = _choices(first)
        for device in others:
            name = device.folder.name
            theirs, their_digest = _state(device)
            assert theirs == admitted, f"{name} admits {theirs}, not {admitted}"
            assert their_digest == digest, f"{name} folded another view from the same entries"
            assert _choices(device) == choices, f"{name} chooses otherwise"
        for device in self.devices:
            self._check_kept(device)

    def _check_kept(self, device: Device) -> None:
        known: set[str] = set()
        for replica in device.space.folding.ends():
            for link in device.space.counted.every(replica):
                known |= {link.id, link.envelope.was or link.id}
        for one in self.devices:
            lost = one.acked - known
            name = device.folder.name
            assert not lost, f"{name} lacks {len(lost)} entries that {one.folder.name} acknowledged"
        self.count["acknowledged entries found again"] += sum(
            len(one.acked) for one in self.devices
        )


def _state(device: Device) -> tuple[dict[str, tuple[int, str]], str]:
    _, admitted, digest = device.space.digest()
    return {replica: (head.seq, head.id) for replica, head in admitted.items()}, digest


def _choices(device: Device) -> dict[str, list[str]]:
    """Give the order of every task's candidates, as this device computes it."""
    db, stages = device.space.db, outcome.parse(DEFAULT)
    return {
        task: [place.candidate.id for place in outcome.choose(ballot.read(db, task), stages).places]
        for (task,) in db.execute("SELECT id FROM task ORDER BY id").fetchall()
    }


def _make(remote: Path) -> None:
    """Make a remote; like a host's, it tidies up at its own time, and not at every push."""
    _run("git", "init", "-q", "--bare", "--template=", str(remote))
    _run("git", f"--git-dir={remote}", "config", "receive.autogc", "false")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
