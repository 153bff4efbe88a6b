"""`doctor`: what is wrong here or with a remote, and the safe next step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, opt
from waggle.faces.ops.sync import TIMEOUT_S
from waggle.store.checkup.doctor import examine
from waggle.store.checkup.patient import Diagnosis, Severity
from waggle.sync.git.layouts import Layout, find_layouts
from waggle.sync.git.remotes import Remote, find_remotes
from waggle.sync.git.transport import Transport

UNWELL_STATUS = 8


class DoctorRequest(Struct, frozen=True, kw_only=True):
    """Look for what is wrong."""

    remote: Annotated[
        tuple[str, ...],
        opt("also find out which refs this remote takes, by a probe; may be repeated", "NAME"),
    ] = ()


class Examined(Struct, frozen=True, kw_only=True):
    """What the doctor found."""

    healthy: bool
    diagnoses: list[Diagnosis]


def _doctor(ctx: Context, request: DoctorRequest) -> Examined:
    found = examine(ctx.repository, ctx.environ, ctx.outside)
    if request.remote:
        space = ctx.space
        transport = Transport(ctx.repository.common_dir, ctx.environ, TIMEOUT_S)
        for remote in find_remotes(space.objects.git, space.config, request.remote, ctx.cwd):
            layouts = find_layouts(transport, space.objects, remote, ctx.outside.entropy)
            found += diagnose(remote, layouts)
    return Examined(healthy=all(one.severity != "error" for one in found), diagnoses=found)


def diagnose(remote: Remote, layouts: list[Layout]) -> list[Diagnosis]:
    """Give what the layouts that a remote takes mean for the one that is set."""
    taken = [one.prefix for one in layouts if one.trouble is None]
    left = [one.left for one in layouts if one.left is not None]
    found = []
    if not taken and layouts[0].trouble is not None:
        trouble = layouts[0].trouble
        what = f"{remote.name}: {trouble.kind}: {trouble.text}"
        found.append(_found("error", what, trouble.next_step))
    elif remote.prefix in taken:
        found.append(_found("ok", f"{remote.name} takes logs under {remote.prefix}", ""))
    else:
        what = f"{remote.name} does not take logs under {remote.prefix}, but under {taken[0]}"
        step = f'Set `prefix = "{taken[0]}"` in .git/waggle/config.toml, on every device.'
        found.append(_found("error", what, step))
    for ref in left:
        what = f"{remote.name} does not let its refs be deleted; the probe {ref} stays there"
        found.append(_found("warning", what, "Delete that ref on the host's own pages."))
    return found


def _found(severity: Severity, what: str, next_step: str) -> Diagnosis:
    return Diagnosis(code="remote", severity=severity, what=what, next_step=next_step)


def _show_doctor(result: Examined) -> Iterator[str]:
    for one in result.diagnoses:
        yield f"{one.severity:<8} {one.what}"
        if one.next_step:
            yield f"         {one.next_step}"
    yield "nothing here needs you" if result.healthy else "see the errors above"


DOCTOR = Operation(
    name="doctor",
    request=DoctorRequest,
    run=_doctor,
    show=_show_doctor,
    about="Say what is wrong here, if anything, and the safe next step.",
    example="waggle doctor --remote origin",
    status=lambda result: 0 if result.healthy else UNWELL_STATUS,
)
