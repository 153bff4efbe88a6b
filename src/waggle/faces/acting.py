"""Who acts: given on the command line, in the environment, or the user."""

from __future__ import annotations

from waggle.log.line import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def user_name(environ: Mapping[str, str]) -> str:
    """Give the name of whoever acts when none is given."""
    named = environ.get("WAGGLE_AGENT") or environ.get("USER") or environ.get("USERNAME")
    if named:
        return named
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "someone"  # a user id without a name, as containers have


def acting(
    environ: Mapping[str, str],
    name: str | None = None,
    model: str | None = None,
    vendor: str | None = None,
) -> dict[str, str]:
    """Give the fields of the agent who acts; raise `invalid` on a name that is none."""
    given = {
        "name": ("agent's name", name or user_name(environ)),
        "session": ("session", environ.get("WAGGLE_SESSION")),
        "model": ("model", model or environ.get("WAGGLE_MODEL")),
        "vendor": ("vendor", vendor or environ.get("WAGGLE_VENDOR")),
    }
    return {field: check_name(what, value) for field, (what, value) in given.items() if value}
