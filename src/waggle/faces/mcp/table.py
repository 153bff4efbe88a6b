"""What agents are offered: a tool is a row, over an operation of the registry.

Few and short on purpose: the whole list is read into every session's context, so it is at most
TOOLS_MAX tools and TOOLS_TOKENS_MAX tokens (held by tests/mcp/test_list.py).
"""

from __future__ import annotations

from msgspec import Struct

TOOLS_MAX = 20
TOOLS_TOKENS_MAX = 4000


class Arg(Struct, frozen=True):
    """An argument of a tool, and the field of the operation's request behind it."""

    field: str
    words: str | None = None
    """What it is; by default what the command line says of the field."""
    name: str | None = None
    """By default the field's."""
    required: bool = False
    """Whether it is needed here even where the command line has a default for it."""

    @property
    def shown(self) -> str:
        """The name that agents use."""
        return self.name or self.field


class Tool(Struct, frozen=True, kw_only=True):
    """A tool. One of a writing operation takes `key` and `as` besides."""

    name: str
    operation: str
    about: str
    takes: tuple[Arg, ...] = ()
    acts: bool = False
    """Whether a read takes `as`, too: its answer depends on who asks."""
    fixed: tuple[tuple[str, object], ...] = ()
    """Fields of the request that no agent sets."""
    hidden: tuple[str, ...] = ()
    """Fields of the result that no agent is shown; they are emptied."""
    depth: int = 0
    """How many levels below the result's own fields the output schema describes."""


class Resource(Struct, frozen=True, kw_only=True):
    """A part of the state, as JSON text; a `{name}` at its address's end is a request's field."""

    name: str
    uri: str
    operation: str
    about: str
    fixed: tuple[tuple[str, object], ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def is_template(self) -> bool:
        """Whether its address says which one is meant."""
        return self.uri.endswith("}")


_TASK = Arg("task", "task id; default the newest")
_THIS = Arg("task", "task id")
_SEEN = Arg("supersedes", "what you saw and replace: `seen` of task_show")
_CANDIDATE = Arg("candidate", "candidate id")

TOOLS = (
    Tool(
        name="join",
        operation="join",
        about="Take part as a member that others see, until the lease lapses; beat renews it.",
        takes=(
            Arg("role", "what you are here for, words", name="roles"),
            Arg("lease", "seconds"),
        ),
    ),
    Tool(
        name="beat",
        operation="beat",
        about="Give a sign of life, and say what you are at. Leaves no history.",
        takes=(Arg("note", "what you are at"), Arg("doing", "task id")),
    ),
    Tool(
        name="task_add",
        operation="task add",
        about="Add a task. Similar open tasks are pointed out.",
        takes=(
            Arg("title", "one line"),
            Arg("prompt", "the whole assignment"),
            Arg("test", "commands that check a candidate", name="tests"),
            Arg("depends", "ids of tasks to be done before"),
            Arg("priority", "0 most urgent"),
            Arg("label", "words to find it by", name="labels"),
        ),
    ),
    Tool(
        name="tasks",
        operation="task list",
        about="List tasks, most urgent first: state, who holds a claim, what they wait for.",
        takes=(
            Arg("state"),
            Arg("label", "only with all these", name="labels"),
            Arg("mine", "only those you claimed"),
            Arg("conflicts", "only those with fields at odds"),
            Arg("limit", "how many; default 50"),
        ),
        acts=True,
        depth=1,
    ),
    Tool(
        name="task_show",
        operation="task show",
        about="Show a task: assignment, conflicts, claims, what it waits for.",
        takes=(_TASK,),
        acts=True,
    ),
    Tool(
        name="task_take",
        operation="task take",
        about="Claim a task or renew your claim, so that others see who works on it. "
        "Go on only if `claimed`.",
        takes=(
            Arg("task", "task id; default the first that is ready"),
            Arg("lease", "seconds"),
            Arg("anyway", "take it over from its holder"),
        ),
    ),
    Tool(
        name="task_edit",
        operation="task edit",
        about="Edit a task. What others wrote stays beside yours unless `supersedes` names it.",
        takes=(
            _THIS,
            Arg("title", "one line"),
            Arg("prompt", "the whole assignment"),
            Arg("note", "what others should know"),
            Arg("priority", "0 most urgent"),
            Arg("label", "all its labels", name="labels"),
            Arg("depends", "ids of all tasks it waits for"),
            Arg("state", "open, done or dropped"),
            _SEEN,
        ),
    ),
    Tool(
        name="task_done",
        operation="task done",
        about="Finish a task and give up your claim on it.",
        takes=(
            _THIS,
            Arg("result", "id of the candidate that came of it"),
            Arg("note", "what others should know"),
            _SEEN,
        ),
    ),
    Tool(
        name="fact_add",
        operation="fact add",
        about="Remember a fact for all. It replaces your own last value, and others' only where "
        "`supersedes` names it.",
        takes=(
            Arg("entity", "what it is known of"),
            Arg("attribute", "what about it"),
            Arg("value"),
            Arg("source", "from what you know it"),
            Arg("supersedes", "what you saw and replace: `seen` of fact_get"),
        ),
    ),
    Tool(
        name="fact_get",
        operation="fact get",
        about="Recall what is known of an entity, who says so, and where they disagree.",
        takes=(
            Arg("entity"),
            Arg("attribute", "default all"),
            Arg("as_of", "what was known then, UTC"),
        ),
        depth=1,
    ),
    Tool(
        name="fact_search",
        operation="fact search",
        about="Search what is known by words; all must occur.",
        takes=(Arg("words", "words or their beginnings"), Arg("limit", "how many; default 20")),
    ),
    Tool(
        name="fact_conflicts",
        operation="fact conflicts",
        about="See facts on which agents disagree. For tasks: `tasks` with `conflicts`.",
        takes=(Arg("limit", "how many; default 20"),),
    ),
    Tool(
        name="checkpoint",
        operation="checkpoint",
        about="Save the work tree as progress on a task, for whoever goes on.",
        takes=(_TASK, Arg("note", "where you are, what is next")),
    ),
    Tool(
        name="publish",
        operation="publish",
        about="Propose a result for a task: the work tree as it is, a commit, or a text.",
        takes=(
            _TASK,
            Arg("commit", "instead of the work tree"),
            Arg("text", "instead of code"),
            Arg("confidence", "how sure you are, 0 to 100"),
            Arg("summary", "what was done, one line"),
        ),
    ),
    Tool(
        name="candidates",
        operation="show",
        about="See a task's candidates blindly: no authors, models or votes.",
        takes=(Arg("id", "task or candidate id; default the newest task"),),
        fixed=(("blind", True),),
        hidden=("runs", "checkpoints"),
        depth=1,
    ),
    Tool(
        name="diff",
        operation="diff",
        about="Read what a candidate changes, against its base or another candidate.",
        takes=(_CANDIDATE, Arg("other", "candidate to compare with")),
    ),
    Tool(
        name="vote",
        operation="vote",
        about="Vote on a candidate. Your last vote counts; on your own candidate none does.",
        takes=(
            _CANDIDATE,
            Arg("score", "0 reject to 100 approve", required=True),
            Arg("reason", "why"),
            Arg("blind", "you have not seen author, model or votes"),
        ),
    ),
    Tool(
        name="check",
        operation="check",
        about="Run tests on a candidate in a clean worktree and record the outcome. Takes a while.",
        takes=(
            _CANDIDATE,
            Arg("test", "commands; default the task's tests", name="tests"),
            Arg("timeout", "seconds for each"),
        ),
        depth=1,
    ),
    Tool(
        name="choose",
        operation="choose",
        about="See which candidate wins, why, its rivals and who disagreed. Changes nothing.",
        takes=(_TASK, Arg("rule", "what if: another rule"), Arg("top", "first places only")),
    ),
    Tool(
        name="sync",
        operation="sync",
        about="Exchange everything with the git remotes.",
    ),
)

RESOURCES = (
    Resource(
        name="tasks", uri="waggle://tasks", operation="task list",
        about="All open tasks, the most urgent first.",
        fixed=(("limit", 0),),
    ),
    Resource(
        name="task", uri="waggle://task/{id}", operation="show",
        about="A task or candidate, shown blindly: no authors, models or votes.",
        fixed=(("blind", True),), hidden=("runs", "checkpoints"),
    ),
    Resource(
        name="ready", uri="waggle://ready", operation="task ready",
        about="Tasks to work on: open, waiting for no other, claimed by nobody.",
        fixed=(("limit", 0),),
    ),
    Resource(
        name="facts", uri="waggle://facts/{entity}", operation="fact get",
        about="What is known of an entity.",
    ),
    Resource(
        name="conflicts", uri="waggle://conflicts", operation="fact conflicts",
        about="Facts on which agents disagree.", fixed=(("limit", 0),),
    ),
    Resource(
        name="members", uri="waggle://members", operation="members",
        about="Who takes part: replicas and their agents.",
    ),
    Resource(
        name="status", uri="waggle://status", operation="status",
        about="This store at a glance: which entries are on how many remotes and replicas.",
    ),
)  # fmt: skip
