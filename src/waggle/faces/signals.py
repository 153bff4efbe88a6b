"""The signals that ask this process to end."""

from __future__ import annotations

import signal


def ending() -> list[signal.Signals]:
    """Give those besides Ctrl-C that the system has and this process heeds.

    SIGHUP tells that the terminal closed. Where it is ignored, as under nohup, it stays ignored.
    """
    known = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))
    return [one for one in known if one and signal.getsignal(one) is not signal.SIG_IGN]
