"""All folds that this version knows: what a space is opened with."""

from __future__ import annotations

from waggle.agents.runs import RUN_FOLD
from waggle.causal.checkpoints import CHECKPOINT_FOLD
from waggle.choice.fold import CHOICE_FOLD
from waggle.eventual.facts import FACT_FOLD
from waggle.eventual.members import MEMBER_FOLD
from waggle.eventual.tasks import TASK_FOLD
from waggle.store.views.view import Fold

FOLDS: tuple[Fold, ...] = (
    TASK_FOLD,
    CHOICE_FOLD,
    CHECKPOINT_FOLD,
    RUN_FOLD,
    MEMBER_FOLD,
    FACT_FOLD,
)
