"""One process per data directory, enforced by the kernel: the lock goes when the process goes, also by kill -9."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from precert.store.port import Locked

_NAME = "precert.lock"
_WIDTH = 20


class DirectoryLock:
    """Holds a data directory exclusively until ``release``."""

    def __init__(self, directory: Path) -> None:
        """Raises Locked, naming directory and holder, if another process or store has it; OSError if unwritable."""
        path = directory / _NAME
        self._handle: int | None = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Fixed width, in place: on a full disk an existing file can still be overwritten.
            os.pwrite(self._handle, str(os.getpid()).ljust(_WIDTH).encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._handle, _WIDTH, 0).decode("ascii", "replace").strip() or "unknown"
            self.release()
            raise Locked(
                f"{directory} is in use by process {holder}. Only one precert may run on a data directory:"
                " stop that process or give this one another directory."
            ) from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others have the directory. Harmless if done before."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
