"""Where the tasks of a run are carried out: here, one after the other, or elsewhere (:mod:`kincast.offline.cluster`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

Tell = Callable[[str], None]
Hear = Callable[[str, str], None]
"""Where progress arrives: the task's name, a line."""


@dataclass(frozen=True, eq=False)
class Task:
    """``function(*arguments, tell)``: a function of a module; it answers with ``parts`` values, as a tuple.

    Arguments may be parts of earlier tasks. A task may be begun several times (its worker was lost), and must be such
    that this does no harm.
    """

    name: str
    function: Callable[..., tuple[Any, ...]]
    arguments: tuple[Any, ...] = ()
    parts: int = 1


@dataclass(frozen=True)
class Finished:
    """What became of a task: its parts (to be handed to later tasks, or to :meth:`Workers.value`), or its error."""

    task: Task
    parts: tuple[Any, ...] = ()
    error: Exception | None = None


@runtime_checkable
class Workers(Protocol):
    """Carries out tasks; the caller starts as many as there is room for and takes what is finished."""

    def room(self) -> bool:
        """Whether one more task would be begun about at once."""
        ...

    def start(self, task: Task) -> None:
        """Have it carried out."""
        ...

    def next(self) -> Finished:
        """Wait for any started task to end."""
        ...

    def value(self, part: Any) -> Any:
        """A part as it is."""
        ...


class InProcess:
    """One task after the other, in this process."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._waiting: deque[Task] = deque()

    def room(self) -> bool:
        return not self._waiting

    def start(self, task: Task) -> None:
        self._waiting.append(task)

    def next(self) -> Finished:
        task = self._waiting.popleft()
        try:
            parts = task.function(*task.arguments, lambda line: self._hear(task.name, line))
        except Exception as error:
            return Finished(task, error=error)
        return Finished(task, parts)

    def value(self, part: Any) -> Any:
        return part
