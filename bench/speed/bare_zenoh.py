"""A Zenoh session and nothing of waggle's, in a process of its own.

    python -m bench.speed.bare_zenoh ENDPOINT

It says when it is ready, then the moment (`perf_counter`, which processes share) at which each
message arrived, until its input ends. Nothing else is imported: its memory is a baseline, too.
"""

from __future__ import annotations

import json
import sys
import time

import zenoh


def main() -> None:
    """Hear."""
    config = zenoh.Config()
    config.insert_json5("connect/endpoints", json.dumps(sys.argv[1:]))
    config.insert_json5("scouting/multicast/enabled", "false")

    def on_message(_: zenoh.Sample) -> None:
        print(time.perf_counter(), flush=True)

    with zenoh.open(config) as session:
        subscriber = session.declare_subscriber("bench", on_message)
        print("ready", flush=True)
        sys.stdin.readline()
        subscriber.undeclare()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
