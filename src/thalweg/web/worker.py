"""The questions of one page, answered one after the other on a thread beside; a newer one takes the place of an older
one about the same."""

import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, final

from thalweg.numerics.reading import first_line, nearest
from thalweg.web.desk import Desk
from thalweg.web.scene import Scene, short

PAGES = 4  # that are answered at the same time
CREW = ThreadPoolExecutor(PAGES, thread_name_prefix="thalweg page")
MOST_WAITING = 16


@final
class Worker:
    """``send`` takes each answer: the ``id`` of its question with ``view``, ``progress``, ``refused`` (a sentence for
    the person), ``stopped``, or ``failed``."""

    def __init__(self, desk: Desk, send: Callable[[dict[str, Any]], None]) -> None:
        self._desk, self._send, self._lock = desk, send, Lock()
        self._waiting: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._busy: str | None = None  # the slot of the question that is being answered
        self._running = self._stale = False

    def ask(self, question: Any) -> None:
        """Take a question: {"id": number, "ask": what, "state": the scene, "slot": what it is about, ...}; or
        {"stop": true}."""
        if isinstance(question, dict) and question.get("stop") is True:
            return self.stop()
        try:
            slot = self._slot(question)
        except ValueError as error:
            known = question.get("id") if isinstance(question, dict) else None
            return self._send({"id": known if isinstance(known, int) else None, "refused": str(error)})
        with self._lock:
            older = self._waiting.pop(slot, None)
            self._waiting[slot] = question
            self._stale = self._stale or slot == self._busy
            idle, self._running = not self._running, True
        if older is not None:
            self._send({"id": older["id"], "stopped": True})
        if idle:
            CREW.submit(self._work)

    def stop(self) -> None:
        """End what is under way, and forget what waits."""
        with self._lock:
            dropped, self._stale = [*self._waiting.values()], self._busy is not None
            self._waiting.clear()
        for question in dropped:
            self._send({"id": question["id"], "stopped": True})

    def _slot(self, question: Any) -> str:
        if not isinstance(question, dict):
            raise ValueError(f"the message is {short(question)}, but it is an object with id, ask and state; send one.")
        number, ask = question.get("id"), question.get("ask")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**53:
            raise ValueError(f"id is {short(number)}, but it is a whole number of 0 or more; send one.")
        if not isinstance(ask, str) or ask not in self._desk.questions:
            raise ValueError(nearest(str(ask)[:40], self._desk.questions, "a question"))
        slot = question.get("slot", ask)
        if not isinstance(slot, str) or len(slot) > 40:
            raise ValueError(f"slot is {short(slot)}, but it is a word; send one.")
        with self._lock:
            if slot not in self._waiting and len(self._waiting) >= MOST_WAITING:
                raise ValueError(f"{MOST_WAITING} questions are waiting, which is the most; wait for their answers.")
        return slot

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                self._busy, question = self._waiting.popitem(last=False)
                self._stale = False
            answer = self._answered(question)
            with self._lock:
                stale, self._busy, self._stale = self._stale, None, False
            try:
                self._send({"id": question["id"], **({"stopped": True} if stale else answer)})
            except Exception as error:  # an answer that cannot be sent ends no page
                self._send({"id": question["id"], "failed": f"{type(error).__name__}: {first_line(error)}"})

    def _answered(self, question: dict[str, Any]) -> dict[str, Any]:
        def tell(done: int, total: int) -> bool:
            if not self._stale:
                self._send({"id": question["id"], "progress": [int(done), int(total)]})
            return not self._stale

        try:
            scene = Scene.read(question.get("state"))
            return {"view": self._desk.questions[question["ask"]](scene, question, tell)}
        except ValueError as error:
            return {"refused": " ".join(str(error).split())}
        except KeyboardInterrupt:  # told to end before there was a first row
            return {"stopped": True}
        except MemoryError:
            return {"refused": "this needs more memory than there is; take fewer steps, starts or components."}
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return {"failed": f"{type(error).__name__}: {first_line(error)}"}
