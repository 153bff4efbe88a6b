"""Replaying attempts: records learned by folding entries, ballots built from what was learned.

Learning goes through the view, entry by entry: candidates, votes of all checkers, and a check
that tells the truth. Ballots to judge on are then built as values, because there are hundreds of
thousands; tests/choice/test_bench_choice.py shows that a space gives the very same ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from random import Random

from msgspec import Struct

from bench.choice.checkers import Checker
from bench.choice.data import Attempt, DataSet, model_of
from waggle.agents.folds import FOLDS
from waggle.choice.ballot import Ballot, Standing
from waggle.choice.fold import confidence_bin
from waggle.choice.kinds import Candidate, Check, Vote, family_of
from waggle.choice.outcome import choose, parse
from waggle.choice.rules import DEFAULT, RULES
from waggle.choice.weights import FamilyVotes, approval, authorship, rejection
from waggle.log.entry import Agent, Body, Entry
from waggle.store.views.view import View

SPACE = "main"
REPLICA = "ab" * 16
EXAMINER = Agent(name="examiner")
"""Whose checks tell the truth on the learning half."""
START_MS = 1_700_000_000_000


class Records(Struct, frozen=True):
    """What was learned: of authors' families by decile of confidence, and of voters' families."""

    authors: Mapping[str, Mapping[int, tuple[int, int]]] = {}
    voters: Mapping[str, tuple[int, int, int, int]] = {}


def agent_of(name: str) -> Agent:
    """Give the agent that brings candidates under this name."""
    return Agent(name=name[:128], model=model_of(name)[:128])


def voter_of(checker: Checker) -> Agent:
    """Give the agent that votes, or runs checks, as this checker."""
    return Agent(name=checker.name, model=checker.name)


def family(agent: Agent) -> str:
    """Give an agent's family as the choice has it."""
    return family_of(agent, f"{REPLICA}/{agent.name}")


def hex_of(*parts: str) -> str:
    """Give an id for a candidate, or for a task: 64 hex digits."""
    return blake2b("\0".join(parts).encode(), digest_size=32).hexdigest()


def result_of(task: str, agent: str, attempt: Attempt) -> str:
    """Give the digest of a result: equal where the data say so, else the attempt's own."""
    own = attempt.result if attempt.result is not None else f"only {agent}"
    return hex_of("result", task, own)[:32]


def candidate_of(task: str, agent: str, attempt: Attempt) -> Candidate:
    """Give an attempt as what its agent would have published."""
    return Candidate(
        task=hex_of("task", task),
        result=result_of(task, agent, attempt),
        size=attempt.size,
        confidence=attempt.confidence,
    )


def entries(data: DataSet, tasks: Sequence[str], checkers: Sequence[Checker]) -> Iterator[Entry]:
    """Give the entries that records are learned from, in one log."""
    seq = 0

    def entry(by: Agent, body: Body, name: str) -> Entry:
        nonlocal seq
        seq += 1
        at = (START_MS << 16) + seq
        return Entry(id=name, replica=REPLICA, seq=seq, at=at, by=by, body=body)

    for task in tasks:
        for agent in data.agents:
            attempt = data.attempts[agent].get(task)
            if attempt is None:
                continue
            name = hex_of("candidate", task, agent)
            candidate = candidate_of(task, agent, attempt)
            yield entry(agent_of(agent), candidate, name)
            for checker in checkers:
                passes = checker.passes(task, candidate.result, right=attempt.right)
                vote = Vote(candidate=name, score=100 if passes else 0)
                yield entry(voter_of(checker), vote, hex_of("vote", name, checker.name))
            status = 0 if attempt.right else 1
            check = Check(candidate=name, command="exam", environment="here", exit=status)
            yield entry(EXAMINER, check, hex_of("check", name))


def learn(data: DataSet, tasks: Sequence[str], checkers: Sequence[Checker]) -> Records:
    """Fold what happened on these tasks, and give the records that the view then holds."""
    with tempfile.TemporaryDirectory() as folder:
        view = View(folder, SPACE, FOLDS, frozenset())
        batch: list[Entry] = []
        with view.transaction():
            for entry in entries(data, tasks, checkers):
                batch.append(entry)
                if len(batch) == 4096:
                    view.fold(batch)
                    batch.clear()
            view.fold(batch)
        records = read_records(view)
        view.close()
    return records


def read_records(view: View) -> Records:
    """Give the records that a view holds."""
    authors: dict[str, dict[int, tuple[int, int]]] = {}
    for who, decile, right, wrong in view.db.execute(
        "SELECT text, bin, right, wrong FROM author_record JOIN name ON n = who"
    ):
        authors.setdefault(who, {})[decile] = (right, wrong)
    voters = {
        who: (tp, fp, tn, fn)
        for who, tp, fp, tn, fn in view.db.execute(
            "SELECT text, tp, fp, tn, fn FROM voter_record JOIN name ON n = who"
        )
    }
    return Records(authors, voters)


class Brought(Struct, frozen=True):
    """A candidate of a draw: who brought it, whether it is right, and its standing."""

    agent: str
    right: bool
    standing: Standing


def bring(task: str, tried: Iterable[tuple[str, Attempt]], records: Records) -> list[Brought]:
    """Give the candidates of these agents, as a ballot would have them before anybody voted."""
    brought = []
    for agent, attempt in tried:
        name = family(agent_of(agent))
        bins = records.authors.get(name, {})
        right, wrong = (sum(pair[side] for pair in bins.values()) for side in (0, 1))
        decile = confidence_bin(attempt.confidence)
        standing = Standing(
            id=hex_of("candidate", task, agent),
            author=f"{REPLICA}/{agent}",
            family=name,
            at=attempt.at_ms << 16,
            commit=None,
            base=None,
            result=result_of(task, agent, attempt),
            size=attempt.size,
            tokens=None,
            confidence=attempt.confidence,
            supersedes=None,
            flags=(),
            summary=None,
            content="null",
            ruled=0,
            verdict=0,
            authorship=authorship(*bins.get(decile, (0, 0)), right, wrong),
        )
        brought.append(Brought(agent, attempt.right, standing))
    return brought


def with_votes(
    task: str, brought: Sequence[Brought], checkers: Sequence[Checker], records: Records
) -> list[Brought]:
    """Let checkers vote: 100 for what passes, 0 for what does not."""
    voted = []
    for one in brought:
        votes = []
        for checker in sorted(checkers, key=lambda checker: checker.name):
            name = family(voter_of(checker))
            record = records.voters.get(name, (0, 0, 0, 0))
            up = checker.passes(task, one.standing.result, right=one.right)
            weights = approval(*record), rejection(*record)
            votes.append(FamilyVotes(name, 1, up, not up, 50 * up, 50 * (not up), *weights))
        voted.append(_with(one, votes=tuple(votes)))
    return voted


def with_checks(
    task: str, brought: Sequence[Brought], checkers: Sequence[Checker], random: Random
) -> list[Brought]:
    """Let checkers run their commands, one each; what passed, passed at some time."""
    checked = []
    for one in brought:
        good = sum(
            checker.passes(task, one.standing.result, right=one.right) for checker in checkers
        )
        bad = len(checkers) - good
        at = random.randrange(1, 2**40)
        checked.append(_with(one, passed=good, failed=bad, passed_at=0 if bad else at))
    return checked


def _with(one: Brought, **changes: object) -> Brought:
    fields = {name: getattr(one.standing, name) for name in Standing.__struct_fields__}
    return Brought(one.agent, one.right, Standing(**{**fields, **changes}))


def winner(brought: Sequence[Brought], expression: str) -> Brought:
    """Give what a rule picks."""
    standings = sorted((one.standing for one in brought), key=lambda standing: standing.id)
    picked = choose(Ballot("task", tuple(standings)), parse(expression)).winner
    return next(one for one in brought if picked is not None and one.standing.id == picked.id)


BLIND_RULES = ("newest", "earliest", "size", "confidence", "agreement")
VOTE_RULES = ("approvals", "votes", "threshold(2)", "ahead(2)")
CHECK_RULES = ("checks", "first_pass")
CALIBRATED = "calibrated"
EXPRESSIONS = (*BLIND_RULES, *VOTE_RULES, *CHECK_RULES, CALIBRATED)
"""Every rule, those with a number at one that five candidates and three voters can reach."""
assert [text.partition("(")[0] for text in sorted(EXPRESSIONS)] == sorted(RULES)
UNTAUGHT = ", without records"
OWN_RECORD = "confidence through each agent's own record"
"""The candidate whose author has been right most often when it stated this confidence."""


def verdicts(
    task: str,
    tried: Sequence[tuple[str, Attempt]],
    records: Records,
    panels: Mapping[str, Sequence[Checker]],
    random: Random,
) -> dict[str, bool]:
    """Give, for each way to choose, whether it is right on one draw.

    The keys are `rule` where nobody looks, `rule | three votes` and `rule | three checks`.
    """
    taught, untaught = bring(task, tried, records), bring(task, tried, Records())
    found = {rule: winner(taught, rule).right for rule in (*BLIND_RULES, CALIBRATED, DEFAULT)}
    found[OWN_RECORD] = max(taught, key=lambda one: (one.standing.authorship, one.agent)).right
    for rule in (CALIBRATED, DEFAULT):
        found[rule + UNTAUGHT] = winner(untaught, rule).right
    for name, checkers in panels.items():
        if not checkers:
            continue
        voted = with_votes(task, taught, checkers, records)
        for rule in (*VOTE_RULES, CALIBRATED, DEFAULT):
            found[f"{rule} | {name} votes"] = winner(voted, rule).right
        unknown = with_votes(task, untaught, checkers, Records())
        found[f"{DEFAULT}{UNTAUGHT} | {name} votes"] = winner(unknown, DEFAULT).right
        seed = random.random()
        checked = with_checks(task, taught, checkers, Random(seed))
        for rule in (*CHECK_RULES, DEFAULT):
            found[f"{rule} | {name} checks"] = winner(checked, rule).right
        unknown = with_checks(task, untaught, checkers, Random(seed))
        found[f"{DEFAULT}{UNTAUGHT} | {name} checks"] = winner(unknown, DEFAULT).right
    return found
