"""waggle: the substrate on which many AI agents work together.

    import waggle

    with waggle.open("path/in/a/repository", init=True) as space:
        me = waggle.Agent(name="ann", model="m1")
        task = space.append(waggle.Draft(body=waggle.TaskAdd(title="name the bees")), me)
        ...
        print(waggle.choose(space, task.id).winner)

What `__all__` lists is the public interface; everything else may change. Names are loaded when
they are first used, so that the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from waggle.base.errors import WaggleError
    from waggle.causal.checkpoints import Checkpoint
    from waggle.choice.kinds import Candidate, Check, Ruling, Vote
    from waggle.choice.outcome import Outcome
    from waggle.eventual.tasks import TaskAdd
    from waggle.faces.library import choose, open  # noqa: A004 - waggle.open reads well
    from waggle.log.entry import Agent
    from waggle.store.own.journal import Written
    from waggle.store.space import Draft, Space

__version__ = "0.1.0"
__all__ = [
    "Agent",
    "Candidate",
    "Check",
    "Checkpoint",
    "Draft",
    "Outcome",
    "Ruling",
    "Space",
    "TaskAdd",
    "Vote",
    "WaggleError",
    "Written",
    "choose",
    "open",
]
_PLACES = {
    "Agent": "log.entry",
    "Candidate": "choice.kinds",
    "Check": "choice.kinds",
    "Checkpoint": "causal.checkpoints",
    "Draft": "store.space",
    "Outcome": "choice.outcome",
    "Ruling": "choice.kinds",
    "Space": "store.space",
    "TaskAdd": "eventual.tasks",
    "Vote": "choice.kinds",
    "WaggleError": "base.errors",
    "Written": "store.own.journal",
    "choose": "faces.library",
    "open": "faces.library",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'waggle' has no attribute {name!r}")
    return getattr(import_module(f"waggle.{_PLACES[name]}"), name)
