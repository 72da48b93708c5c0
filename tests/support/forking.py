"""Commands in children of a process that has imported what they need: what servers of them have in common."""

import gc
import importlib
import runpy
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence


def import_for_children(names: Iterable[str]) -> None:
    """Import modules, so that no child has to."""
    for name in names:
        importlib.import_module(name)
    # No child looks through what all of them share, which would copy it page by page.
    gc.collect()
    gc.freeze()


def run_script(command: Sequence[str]) -> int:
    """Run a script with its arguments in this process; return the code with which its own would end."""
    sys.argv = list(command)
    return ended(lambda: runpy.run_path(command[0], run_name="__main__"))


def ended(run: Callable[[], object]) -> int:
    """Call `run`; return the code with which a process that did only that would end."""
    try:
        run()
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        print(ending.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
