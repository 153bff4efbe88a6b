"""Every limit, with its unit in its name.

Nothing is appended that a host or a reader would refuse later, so these are checked before the
append; readers check them again, because other replicas are hostile until verified.
"""

from __future__ import annotations

ENTRY_BYTES_MAX = 64 * 1024
"""One line of a log, without its newline."""
CONTENT_BYTES_MAX = 10 * 1024 * 1024
"""One file of a candidate, by default; a setting may raise it."""
CONTENT_BYTES_HARD_MAX = 95 * 1024 * 1024
"""No setting goes past this: hosts refuse files of 100 MB."""
FRAME_ENTRIES_MAX = 4096
FRAME_BYTES_MAX = 4 * 1024 * 1024
SEAL_ENTRIES = FRAME_ENTRIES_MAX
"""An append that leaves this many entries unsealed seals them: a frame costs many syncs."""
KEY_CHARS_MAX = 256
NAME_CHARS_MAX = 128
"""Names of agents, sessions, models and vendors."""
SPACE_CHARS_MAX = 64
TAIL_BYTES_MAX = 8 * 1024
"""How much of a command's output a check keeps in the log."""
