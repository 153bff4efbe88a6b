"""What is wrong with the logs: entries in no frame, refs, objects, clocks."""

from __future__ import annotations

import os

from waggle.base.clock import from_the_future, millis
from waggle.log.frame import ENTRIES_FILE
from waggle.store.checkup.patient import Found, Patient, error, note, span, warning
from waggle.store.frames.logs import BadFrameError, Logs
from waggle.store.frames.sealing import REFS, ref_name
from waggle.store.repo.git import Git, MissingObjectError

FRAMES_MAX = 1000
"""The newest frames of each log that are looked at; `waggle verify` looks at all."""


def check_unsealed(patient: Patient) -> Found:
    """Look which entries stand in no frame yet."""
    journal = patient.journal
    for space in patient.spaces:
        planned = journal.db.execute(
            "SELECT first, last FROM frame WHERE space=? AND oid IS NULL", (space,)
        ).fetchone()
        if planned:
            what = f"{space}: frame {planned[0]}-{planned[1]} was begun and not finished"
            yield note("planned", what, "`waggle sync` finishes it, to the same bytes.")
        count, since = journal.db.execute(
            "SELECT count(*), min(at) FROM entry WHERE space=? AND seq>?",
            (space, journal.sealed(space)),
        ).fetchone()
        if count:
            age = span(max(0, patient.now_ms - millis(since)))
            what = f"{space}: {count} entries are in the journal only, the oldest for {age}"
            yield note("unsealed", what, "`waggle sync` puts them into git; they are durable here.")


def check_refs(patient: Patient) -> Found:
    """Look whether the refs are where the frames were verified."""
    for space in patient.spaces:
        refs = patient.objects.refs.under(f"{REFS}/{space}/")
        tips = patient.tips(space)
        forked = {replica for replica, _, _ in tips if [t[0] for t in tips].count(replica) > 1}
        for replica in sorted(forked):
            what = f"{space}: {replica[:12]} wrote two histories"
            step = "`waggle members` tells what counts of it, `waggle verify` shows the proof."
            yield warning("forked", what, step)
        for replica, oid, _ in tips:
            if replica not in forked:
                name = ref_name(space, replica)
                yield from _ref(patient, name, oid, refs.get(name))


def _ref(patient: Patient, name: str, tip: str, ref: str | None) -> Found:
    if ref == tip:
        return
    own = name.endswith(patient.journal.replica)
    back = "`waggle sync` puts it back." if own else "`waggle sync` fetches it again."
    if ref is None:
        broken = os.path.exists(os.path.join(patient.common_dir, *name.split("/")))
        what = f"{name} holds no object id" if broken else f"{name} is gone"
        yield error("ref", what, back)
    elif _is_ancestor(patient.git, ref, tip):
        yield warning("ref", f"{name} went back to {ref[:12]}, before {tip[:12]}", back)
    elif _is_ancestor(patient.git, tip, ref):
        what = f"{name} is ahead of what was verified"
        yield note("ref", what, "`waggle sync` looks at it.")
    else:
        what = f"{name} is at {ref[:12]}, which does not follow {tip[:12]}"
        yield error("ref", what, "Run `waggle verify`: it tells damage from two histories.")


def _is_ancestor(git: Git, older: str, newer: str) -> bool:
    status, _ = git.call("merge-base", "--is-ancestor", older, newer, ok=(0, 1, 128))
    return status == 0


def check_objects(patient: Patient) -> Found:
    """Look whether the objects of frames are there."""
    logs = Logs(patient.objects)
    for space in patient.spaces:
        for replica, tip, _ in patient.tips(space):
            whose = "ours" if replica == patient.journal.replica else replica[:12]
            try:
                for count, (oid, _) in enumerate(logs.back(tip), start=1):
                    patient.objects.file(oid, ENTRIES_FILE)
                    if count == FRAMES_MAX:
                        break
            except MissingObjectError as lack:
                yield error(
                    "objects",
                    f"{space}: the log of {whose} lacks the object {lack}",
                    "`waggle sync` fetches it where a remote has it; a clone of another device "
                    "has it too.",
                )
            except BadFrameError as bad:
                yield error(
                    "objects",
                    f"{space}: the log of {whose}: {bad}",
                    "Run `waggle verify`; fetch the log again from where it is whole.",
                )


def check_clock(patient: Patient) -> Found:
    """Look whether the clock fits the logs."""
    others = future = 0
    for space in patient.spaces:
        at = patient.journal.head(space)[2]
        ahead = millis(at) - patient.now_ms
        if from_the_future(at, patient.now_ms):
            what = f"{space}: our last entry is {span(ahead)} ahead of this device's clock"
            step = "Look at the clock. If it is right now, go on: a new replica will write."
            yield warning("clock", what, step)
        elif ahead > 0:
            what = f"{space}: the clock is {span(ahead)} before our last entry"
            yield note("clock", what, "Nothing needs to be done: entries stay in order.")
        for replica, tip, _ in patient.tips(space):
            if replica != patient.journal.replica:
                others += 1
                future += from_the_future(Logs(patient.objects).clock(tip), patient.now_ms)
    if future:
        step = "Wait: they are admitted when their time comes. Their writers' clocks are ahead."
        if future == others:
            step = "Look at this device's clock first: everyone else is ahead of it."
        yield warning("future", f"{future} of {others} other logs end in the future", step)
