"""Which of several GPUs a process takes where no scheduler says: one that no other process of specgap has."""

import fcntl
import os
import tempfile
from pathlib import Path

from specgap.errors import ModelError

#: Descriptors of the files that this process holds locked as long as it lives, by index.
_held: dict[int, int] = {}


def claim_gpu(n_gpus: int, folder: Path | None = None) -> int:
    """Return the index of a GPU that is this process's until it ends; the same one when asked again.

    Locks are files, one for each GPU and user, which the system gives back with the process, however it ends.
    Raises `ModelError` where as many processes run as there are GPUs.
    """
    if _held:
        return next(iter(_held))
    folder = folder or Path(tempfile.gettempdir())
    for index in range(n_gpus):
        lock = folder / f"specgap-gpu-{os.getuid()}-{index}.lock"
        file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        _held[index] = file
        return index
    raise ModelError(
        f"all {n_gpus} GPUs are taken by other jobs of specgap; wanted --resources gpu={n_gpus} at most"
    )
