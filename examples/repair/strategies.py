"""The honest agents: which operators each one believes in, and how it searches.

They differ as people do who were asked the same thing: one suspects the comparisons, one the names.
None of them can repair everything, except those that take every operator and pay for it in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import expressions as ex
import statements as st

if TYPE_CHECKING:
    from mutate import Operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """What an agent tries.

    ``chance`` is how far the order of candidates may stray from the order of suspicion, 0 to 1.
    ``evolves`` lets it build on candidates that are no better yet, once nothing else helps.
    """

    operators: dict[Operator, float]
    chance: float = 0.2
    evolves: bool = False


OPERATORS = (ex.comparison, ex.arithmetic, ex.logic, ex.negation)
CONSTANTS = (ex.literal, ex.off_by_one, ex.extent)
NAMES = (ex.variable, ex.call, ex.order)
STATEMENTS = (
    st.delete,
    st.move,
    st.duplicate,
    st.returning,
    st.guard,
    st.unless,
    st.borrow,
    st.condition,
    st.leaving,
    st.default,
    st.copied,
)
EVERYTHING = (*OPERATORS, *CONSTANTS, *NAMES, *STATEMENTS)

STRATEGIES = {
    "operators": Strategy(operators=dict.fromkeys(OPERATORS, 1.0)),
    "constants": Strategy(operators=dict.fromkeys(CONSTANTS, 1.0)),
    "names": Strategy(operators=dict.fromkeys(NAMES, 1.0)),
    "statements": Strategy(operators=dict.fromkeys(STATEMENTS, 1.0)),
    "thorough": Strategy(operators=dict.fromkeys(EVERYTHING, 1.0), chance=0.0),
    "broad": Strategy(operators=dict.fromkeys(EVERYTHING, 1.0), chance=0.5, evolves=True),
}
