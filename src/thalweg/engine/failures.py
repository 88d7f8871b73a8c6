"""What a person's functions raise while a program runs, in one sentence; and the precision they are called in."""

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import jax

from thalweg.chain.host import raised
from thalweg.chain.problem import Problem
from thalweg.numerics.reading import first_line

# The last line of a traceback, which is all that XLA hands on of an exception.
_RAISED = re.compile(r"^(?:[\w.]*\.)?_?(\w+(?:Error|Exception|Warning|Exit|Interrupt)\b.*)$", re.MULTILINE)


def told(error: Exception, method: str, problem: str) -> Exception:
    """The error of a program as a person should read it: FloatingPointError under ``jax_debug_nans``, ValueError for
    what a function raised; else the error itself."""
    if type(error).__name__ == "InternalFloatingPointError":  # of programs compiled ahead of time; not public
        return FloatingPointError(
            f"a step of {method!r} on {problem!r} gave {error.args[-1]}, which jax_debug_nans and jax_debug_infs do "
            "not allow; switch them off to record where the path goes, or take smaller steps."
        )
    if isinstance(error, jax.errors.JaxRuntimeError) and "callback" in str(error).lower():
        lines = _RAISED.findall(str(error))
        cause = lines[-1].rstrip(" .") if lines else str(error).splitlines()[0]
        return ValueError(
            f"a function of {problem!r} raised {cause} in a step of {method!r}; "
            "let it return NaN where it has no value."
        )
    return error


def tell_of_the_host(problem: Problem) -> None:
    """Warn of what functions of the host raised, which is NaN in the results."""
    for name, errors in raised(stage.forward for stage in problem.given.stages).items():
        warnings.warn(
            f"function {name!r} of {problem.name!r} raised {type(errors[0]).__name__}: {first_line(errors[0])} "
            f"at {len(errors)} points, and counts as NaN there.",
            RuntimeWarning,
            stacklevel=4,
        )


@final
class _Default:
    """JAX's precision for all threads that have no say in it, held by programs that call Python."""

    def __init__(self) -> None:
        self.free, self.holders, self.now, self.before = threading.Condition(), 0, False, False

    @contextmanager
    def held(self, x64: bool) -> Iterator[None]:
        with self.free:
            self.free.wait_for(lambda: self.holders == 0 or self.now == x64)
            self.holders += 1
            if self.holders == 1:
                self.before, self.now = _everywhere(x64), x64
        try:
            yield
        finally:
            with self.free:
                self.holders -= 1
                if self.holders == 0:
                    _everywhere(self.before)
                    self.free.notify_all()


def _everywhere(x64: bool) -> bool:
    """Set JAX's default and return what it was, on a thread of its own, where no context is seen."""
    before: list[bool] = []

    def change() -> None:
        before.append(bool(jax.config.read("jax_enable_x64")))
        jax.config.update("jax_enable_x64", x64)

    thread = threading.Thread(target=change)
    thread.start()
    thread.join()
    return before[0]


# XLA may call Python on a thread of its own, where ``enable_x64`` of ours does not hold, and JAX would make float32 of
# the float64 that it hands over (jaxlib 0.10). So while a program that calls Python runs, its precision is that of all.
DEFAULT = _Default()
