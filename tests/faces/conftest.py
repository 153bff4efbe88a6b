"""Fields for the command line: as processes, and, where many calls are made, within this one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.race.field import Field, Ran

from waggle.__main__ import main


class Near(Field):
    """A field whose commands run in this process, from the same entry as the program."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        super().__init__(folder)
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def waggle(
        self,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Ran:
        """Run `waggle` without a process; a test that needs standard input takes `real`."""
        assert not stdin
        with self._monkeypatch.context() as patch:
            patch.chdir(cwd or self.top)
            patch.setattr(sys, "argv", ["waggle", *args])
            for name in [name for name in os.environ if name.startswith("WAGGLE_")]:
                patch.delenv(name)
            for name, text in {**self.env, **(env or {})}.items():
                patch.setenv(name, text)
            self._capfd.readouterr()
            with pytest.raises(SystemExit) as done:
                main()
        captured = self._capfd.readouterr()
        status = done.value.code or 0
        assert isinstance(status, int), status
        return Ran(status, captured.out, captured.err)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Give the command line's ways with signals back where a test ran it in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Field]:
    """A small project with a bug; commands run in this process."""
    made = Near(tmp_path, monkeypatch, capfd)
    yield made
    made.close()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Field]:
    """The same; every command is a process, as users have it."""
    made = Field(tmp_path)
    yield made
    made.close()
