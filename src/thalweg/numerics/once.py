"""What is made once."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any, final


@final
class Once:
    """What is made once for each signature, also when several threads ask at the same time."""

    def __init__(self) -> None:
        self._lock, self._made = Lock(), dict[Any, Future[Any]]()

    def __len__(self) -> int:
        return len(self._made)

    def __call__(self, signature: Any, make: Callable[[], Any]) -> Any:
        with self._lock:
            mine = signature not in self._made
            future = self._made.setdefault(signature, Future())
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                del self._made[signature]
                future.set_exception(error)
        return future.result()
