"""The choice, recounted from raw entries in plain Python: slow, obvious, and made for comparing.

Written from the definitions (DESIGN, "Choice"), not from the code that it is held against.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from waggle.choice.kinds import Candidate, Check, Ruling, Vote, family_of
from waggle.choice.weights import BIN_PRIOR, PRIOR_BAD, PRIOR_GOOD, SCATTER, log2
from waggle.log.entry import Entry
from waggle.store.views.decrees import Admit, Decree, Distrust

Key = int | tuple[int, ...]


class Recount:
    """Everything there is to know about the choices of a set of entries."""

    def __init__(self, entries: Iterable[Entry], valid_rulings: frozenset[tuple[str, int]]) -> None:
        """`valid_rulings` are the rulings that count, by signature and time."""
        unique = {entry.id: entry for entry in entries}.values()
        self.candidates = {e.id: e for e in unique if isinstance(e.body, Candidate)}
        self.votes = [e for e in unique if isinstance(e.body, Vote)]
        self.checks = [e for e in unique if isinstance(e.body, Check)]
        self.rulings = [
            e
            for e in unique
            if isinstance(e.body, Ruling) and (e.body.signature, e.body.made) in valid_rulings
        ]

    # --- truth -----------------------------------------------------------------------------

    def latest_rulings(self, task: str) -> list[Entry]:
        """Give each operator's latest ruling on a task, the latest of all first."""
        by_operator: dict[str, Entry] = {}
        for entry in sorted(self.rulings, key=lambda e: (_ruling(e).made, e.id)):
            if _ruling(entry).task == task:
                by_operator[_ruling(entry).operator] = entry
        order = sorted(by_operator.values(), key=lambda e: (_ruling(e).made, _ruling(e).operator))
        return order[::-1]

    def ruled(self, candidate: str) -> int:
        """1 where the latest ruling names this result, -1 where it came after it, else 0."""
        entry = self.candidates[candidate]
        rulings = self.latest_rulings(_candidate(entry).task)
        if not rulings:
            return 0
        ruling = _ruling(rulings[0])
        named = self.candidates.get(ruling.candidate or "")
        if named is not None and _candidate(named).task == ruling.task:
            same = _candidate(named).result == _candidate(entry).result
            if same:
                return 1
        return -1 if entry.at >> 16 <= ruling.made else 0

    def runs(self, candidate: str, without: Iterable[str] = ()) -> list[Entry]:
        """Give the checks that count for a candidate, leaving out its author's and others'."""
        left_out = {*without}
        if candidate in self.candidates:
            left_out.add(self.candidates[candidate].writer)
        return [
            e for e in self.checks if _check(e).candidate == candidate and e.writer not in left_out
        ]

    def truth(self, candidate: str, without: Iterable[str] = ()) -> int:
        """1 right, -1 wrong, 0 not known."""
        if candidate not in self.candidates:
            return 0
        ruled = self.ruled(candidate)
        exits = [_check(e).exit for e in self.runs(candidate, without)]
        if ruled == 1:
            return 1
        if any(status != 0 for status in exits):
            return -1
        return 1 if exits else ruled

    # --- votes and records -----------------------------------------------------------------

    def ballots(self) -> dict[tuple[str, str], list[Entry]]:
        """Give each voter's votes on each candidate, in the order they were cast."""
        cast: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in sorted(self.votes, key=lambda e: e.at):
            cast[_vote(entry).candidate, entry.writer].append(entry)
        return cast

    def counts(self, candidate: str, voter: str) -> bool:
        """Tell whether a voter's vote counts: not where it votes on its own."""
        return candidate in self.candidates and self.candidates[candidate].writer != voter

    def tally_rows(self) -> list[tuple[object, ...]]:
        """Per candidate and family: voters, ups, downs, how far above and below 50."""
        sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 5)
        for (candidate, voter), votes in self.ballots().items():
            if self.counts(candidate, voter):
                last, row = _vote(votes[-1]), sums[candidate, _family(votes[-1])]
                row[0] += 1
                row[1] += last.score > 50
                row[2] += last.score < 50
                row[3] += max(last.score - 50, 0)
                row[4] += max(50 - last.score, 0)
        return sorted((candidate, family, *row) for (candidate, family), row in sums.items())

    def vote_rows(self) -> list[tuple[object, ...]]:
        """Per candidate and voter: the last vote, the first, whether it counts, its truth."""
        rows: list[tuple[object, ...]] = []
        for (candidate, voter), votes in sorted(self.ballots().items()):
            first, last = votes[0], votes[-1]
            rows.append(
                (candidate, voter, _family(last), _vote(last).score, last.at, _vote(first).score,
                 first.at, _vote(last).reason or "", int(_vote(last).blind),
                 int(self.counts(candidate, voter)), self.truth(candidate, [voter]))
            )  # fmt: skip
        return rows

    def voter_records(self) -> dict[str, tuple[int, int, int, int]]:
        """Per voter and family: true and false positives, true and false negatives."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0] * 4)
        for (candidate, voter), votes in self.ballots().items():
            truth, score = self.truth(candidate, [voter]), _vote(votes[-1]).score
            if self.counts(candidate, voter) and truth and score != 50:
                cell = {(True, 1): 0, (True, -1): 1, (False, -1): 2, (False, 1): 3}
                for who in {voter, _family(votes[-1])}:
                    sums[who][cell[score > 50, truth]] += 1
        return {who: (row[0], row[1], row[2], row[3]) for who, row in sums.items()}

    def author_records(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Per author or family and decile of confidence: right and wrong."""
        sums: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        for entry in self.candidates.values():
            truth = self.truth(entry.id)
            if truth:
                for who in {entry.writer, _family(entry)}:
                    sums[who, _decile(entry)][truth == -1] += 1
        return {who: (row[0], row[1]) for who, row in sums.items()}

    def candidate_rows(self) -> list[tuple[object, ...]]:
        """Everything of each candidate, as the view's digest gives it."""
        rows: list[tuple[object, ...]] = []
        for entry in sorted(self.candidates.values(), key=lambda e: e.id):
            c = _candidate(entry)
            content = json.dumps([*c.files] if c.files else c.text, ensure_ascii=False)
            flags = json.dumps(c.flags, separators=(",", ":"))
            rows.append(
                (entry.id, c.task, entry.writer, _family(entry), entry.at, c.commit, c.base,
                 c.result, c.size, c.tokens, c.confidence, c.supersedes, flags, c.summary, content,
                 self.ruled(entry.id), self.truth(entry.id))
            )  # fmt: skip
        return rows

    # --- choosing --------------------------------------------------------------------------

    def running(self, task: str) -> list[Entry]:
        """Give a task's candidates less those that their own authors superseded."""
        mine = [e for e in self.candidates.values() if _candidate(e).task == task]
        by_id = {e.id: e for e in mine}
        rulings = self.latest_rulings(task)
        named = _ruling(rulings[0]).candidate if rulings else None
        gone = {
            older.id
            for e in mine
            if (older := by_id.get(_candidate(e).supersedes or "")) and older.writer == e.writer
        }
        return [e for e in mine if e.id not in gone or e.id == named]

    def last_scores(self, candidate: str) -> list[int]:
        """Give the last scores of the voters that count."""
        return [
            _vote(votes[-1]).score
            for (of, voter), votes in self.ballots().items()
            if of == candidate and self.counts(of, voter)
        ]

    def ups(self, candidate: str) -> int:
        """Count approvals."""
        return sum(score > 50 for score in self.last_scores(candidate))

    def identities(self, candidate: str) -> list[list[Entry]]:
        """Give the counted checks of each command in each environment."""
        found: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in self.runs(candidate):
            found[_check(entry).command, _check(entry).environment].append(entry)
        return list(found.values())

    def passed_and_failed(self, candidate: str) -> tuple[int, int]:
        """Count identities that only passed, and those that ever failed."""
        groups = self.identities(candidate)
        failed = sum(any(_check(e).exit for e in group) for group in groups)
        return len(groups) - failed, failed

    def evidence(self, group: list[Entry]) -> int:
        """Give the log-odds of a result, in units of 2**-16 bits."""
        total = 0
        authors: dict[str, dict[str, Entry]] = defaultdict(dict)
        for entry in sorted(group, key=lambda e: (e.at, e.id)):
            authors[_family(entry)].setdefault(entry.writer, entry)
        for family in authors.values():
            worth = [self.authorship(entry) + SCATTER for entry in family.values()]
            total += (sum(worth) // len(worth)) * _harmonic(len(worth)) >> 16
        ids = {entry.id for entry in group}
        scores: dict[str, list[int]] = defaultdict(list)
        for (candidate, voter), votes in self.ballots().items():
            if candidate in ids and self.counts(candidate, voter) and _vote(votes[-1]).score != 50:
                scores[_family(votes[-1])].append(_vote(votes[-1]).score)
        records = self.voter_records()
        for family_name, given in scores.items():
            tp, fp, tn, fn = records.get(family_name, (0, 0, 0, 0))
            right, wrong = tp + fn + PRIOR_GOOD + PRIOR_BAD, fp + tn + PRIOR_GOOD + PRIOR_BAD
            approve = log2((tp + PRIOR_GOOD) * wrong, (fp + PRIOR_BAD) * right)
            reject = log2((fn + PRIOR_BAD) * wrong, (tn + PRIOR_GOOD) * right)
            pro = sum(score - 50 for score in given if score > 50)
            con = sum(50 - score for score in given if score < 50)
            mean = (pro * approve + con * reject) // (50 * len(given))
            total += mean * _harmonic(len(given)) >> 16
        return total

    def authorship(self, entry: Entry) -> int:
        """Give the log-odds that this author's candidate is right."""
        records = self.author_records()
        own = {decile: row for (who, decile), row in records.items() if who == _family(entry)}
        good = sum(row[0] for row in own.values()) + 1
        bad = sum(row[1] for row in own.values()) + 1
        right, wrong = own.get(_decile(entry), (0, 0))
        every = good + bad
        return log2(right * every + BIN_PRIOR * good, wrong * every + BIN_PRIOR * bad)

    def key(self, rule: str, number: int, entry: Entry) -> Key:
        """Give a rule's key for one candidate: higher is better."""
        running = self.running(_candidate(entry).task)
        same = [e for e in running if _candidate(e).result == _candidate(entry).result]
        scores = self.last_scores(entry.id)
        downs = sum(score < 50 for score in scores)
        passed, failed = self.passed_and_failed(entry.id)
        passes = [
            min(e.at for e in group if _check(e).exit == 0)
            for group in self.identities(entry.id)
            if any(_check(e).exit == 0 for e in group)
        ]
        rivals = [self.ups(e.id) for e in running if e.id != entry.id]
        families = {_family(e) for e in same}
        authors = [len({e.writer for e in same if _family(e) == family}) for family in families]
        confidence = _candidate(entry).confidence
        keys: dict[str, Callable[[], Key]] = {
            "newest": lambda: entry.at,
            "earliest": lambda: -entry.at,
            "approvals": lambda: self.ups(entry.id),
            "votes": lambda: self.ups(entry.id) - downs,
            "checks": lambda: (0 if failed else 2 if passed else 1, passed, -failed),
            "first_pass": lambda: -max(passes) if passed and not failed else -(2**63),
            "threshold": lambda: int(self.ups(entry.id) >= number),
            "ahead": lambda: int(self.ups(entry.id) - max(rivals, default=0) >= number),
            "agreement": lambda: sum(map(_harmonic, authors)),
            "size": lambda: -_candidate(entry).size,
            "confidence": lambda: -1 if confidence is None else confidence,
            "calibrated": lambda: self.evidence(same),
        }
        return keys[rule]()

    def order(self, task: str, stages: Iterable[tuple[str, int]]) -> list[str]:
        """Give the ids of a task's candidates, the best first."""
        rulings = self.latest_rulings(task)
        named = _ruling(rulings[0]).candidate if rulings else None
        keyed = {
            e.id: (e.id == named, self.ruled(e.id), *(self.key(*stage, e) for stage in stages))
            for e in self.running(task)
        }
        return sorted(sorted(keyed), key=keyed.__getitem__, reverse=True)

    def first_approvals(self, task: str, electorate: Iterable[str]) -> dict[str, int]:
        """Count, per candidate, who of the electorate approved it in their first vote."""
        allowed, counts = {*electorate}, dict[str, int]()
        for (candidate, voter), votes in self.ballots().items():
            if (
                self.counts(candidate, voter)
                and voter in allowed
                and _candidate(self.candidates[candidate]).task == task
                and _vote(votes[0]).score > 50
            ):
                counts[candidate] = counts.get(candidate, 0) + 1
        return counts


def admitted(
    chains: Sequence[Sequence[tuple[str, int]]],
    decrees: Iterable[Decree],
    latest_ms: int,
    *,
    listed: bool = True,
) -> list[str]:
    """Give the ids that count of one log: from its chains (ids and stamps), entry by entry.

    `decrees` are the valid ones on this log; nothing after `latest_ms` counts by itself; `listed`
    tells whether the log counts where nothing is decreed.
    """
    rest = [[entry for entry, _ in one] for one in chains if one]
    admits = [one for one in decrees if isinstance(one, Admit)]
    for admit in sorted(admits, key=lambda one: (one.made, one.entry), reverse=True):
        if any(admit.entry in one for one in rest):
            rest = [one for one in rest if admit.entry in one]
    lifted = {
        entry
        for one in rest
        for admit in admits
        if admit.entry in one
        for entry in one[: one.index(admit.entry) + 1]
    }
    at = {entry: stamp >> 16 for one in chains for entry, stamp in one}
    trust = [one for one in decrees if not isinstance(one, Admit)]
    ranked = sorted(trust, key=lambda one: (one.made, -_last(one)))
    limit = _last(ranked[-1]) if ranked else 2**63 if listed else 0
    counted: list[str] = []
    while len(counted) < limit:
        nexts = {one[len(counted)] for one in rest if len(one) > len(counted)}
        if len(nexts) != 1:
            break
        (entry,) = nexts
        if at[entry] > latest_ms and entry not in lifted:
            break
        counted.append(entry)
    return counted


def _last(decree: Decree) -> int:
    return decree.last if isinstance(decree, Distrust) else 2**63


def _harmonic(n: int) -> int:
    return sum(65536 // k for k in range(1, n + 1))


def _family(entry: Entry) -> str:
    return family_of(entry.by, entry.writer)


def _decile(entry: Entry) -> int:
    confidence = _candidate(entry).confidence
    return -1 if confidence is None else min(confidence // 10, 9)


def _candidate(entry: Entry) -> Candidate:
    assert isinstance(entry.body, Candidate)
    return entry.body


def _vote(entry: Entry) -> Vote:
    assert isinstance(entry.body, Vote)
    return entry.body


def _check(entry: Entry) -> Check:
    assert isinstance(entry.body, Check)
    return entry.body


def _ruling(entry: Entry) -> Ruling:
    assert isinstance(entry.body, Ruling)
    return entry.body
