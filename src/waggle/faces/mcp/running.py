"""The server as a process: the protocol's thread, the store's thread, and how both end.

It ends when the client closes standard input, and on a signal. What is under way then
has a moment to finish, and is stopped as by Ctrl-C: a test that `check` runs ends, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator

from waggle.faces.mcp.calls import Calls
from waggle.faces.mcp.desk import Desk
from waggle.faces.signals import ending, handled

GRACE_S = 0.5
"""How long a call that is under way may go on when the client has left: clients wait 2 s."""


def run(calls: Calls) -> None:
    """Serve until the client leaves or a signal comes; use from the main thread."""
    desk = Desk()
    over = threading.Event()
    # A thread of the SDK's blocks in reading; a daemon's threads are daemons, and hold nobody up.
    protocol = threading.Thread(target=_speak, args=(desk, calls, over), daemon=True)
    try:
        with _signals_end():
            protocol.start()
            desk.serve()
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Asked to end, by a signal or because the client left amid a call: this is the end.
        return
    finally:
        over.set()
        calls.close()


def _speak(desk: Desk, calls: Calls, over: threading.Event) -> None:
    from waggle.faces.mcp.server import serve  # it loads the SDK

    try:
        asyncio.run(serve(desk, calls))
    except* BrokenPipeError:
        pass  # the client went away without a word: nobody is left to tell
    finally:
        desk.close()
        if not over.wait(GRACE_S):
            _interrupt()


def _interrupt() -> None:
    """Do to the main thread what Ctrl-C does."""
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        import _thread

        _thread.interrupt_main()
    else:
        signal.pthread_kill(main, signal.SIGINT)


@contextlib.contextmanager
def _signals_end() -> Iterator[None]:
    """Let the first signal end what is under way, and no second one disturb the end."""

    def end(_number: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no loop runs: nothing is to be cancelled
            raise KeyboardInterrupt from None
        # An operation's program is ended where the operation awaits it. Raised anywhere else, as
        # between the program's start and the waiting, the interrupt would leave it behind.
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.call_soon_threadsafe(lambda: None)  # wakes the loop

    numbers = (signal.SIGINT, *ending())
    with handled(numbers, end):
        yield
