"""Tasks carried out by the workers of a Ray cluster (extra ``cluster``): one started on this computer, or one that runs.

A task whose worker or computer is lost is begun anew elsewhere by Ray, alone, with what it needs of earlier tasks
made again where that was lost too. Recordings and results are files: a cluster of several computers must see them under the same paths.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from kincast.models.errors import UserMistakeError
from kincast.offline.jobs import program_sha256
from kincast.offline.workers import Finished, Hear, Task

RETRIES = 2
"""Times a task is begun anew after its worker was lost; what kills its worker three times is the task itself."""
OBJECT_STORE_BYTES = 200 * 2**20
"""For fits on their way from task to task; what does not fit waits on disk."""
HEAR_EVERY_S = 0.5
LAST_WORD_S = 10.0
ANSWER_S = 5.0
BEGUN = ""
"""What a task says first."""
_LONGEST_FOLDER = 32
"""Ray puts sockets into its folder, and a socket's path has 107 characters at most."""


class ClusterMissingError(UserMistakeError):
    """Ray is not installed, or no cluster can be started or joined."""


class TaskFailedError(Exception):
    """A task failed by our fault; its notes tell where."""


class WorkersLostError(Exception):
    """A task's worker was lost every time."""


@contextlib.contextmanager
def local_cluster(workers: int | None = None, object_store_bytes: int = OBJECT_STORE_BYTES) -> Iterator[None]:
    """A cluster on this computer alone: it listens on loopback, with a key of its own, and leaves nothing behind.

    Ray must not have been imported before: that is when it reads on which interface, and with which key.

    ``workers``: how many, one per processor core if None.

    Raises:
        ClusterMissingError
    """
    for name, value in {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # what keeps Ray to the loopback interface, on every system
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }.items():
        os.environ.setdefault(name, value)
    ray = _ray()
    folder = tempfile.mkdtemp(
        prefix="kincast-", dir=None if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"
    )
    try:
        with _connected(
            ray,
            address="local",
            num_cpus=workers or os.cpu_count() or 1,
            object_store_memory=object_store_bytes,
            include_dashboard=False,
            _temp_dir=folder,
            _system_config={"task_oom_retries": RETRIES},
        ):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def joined_cluster(address: str, prepare: Callable[[], None]) -> Iterator[None]:
    """A cluster that runs: ``HOST:PORT``, or ``auto`` on one of its computers. ``prepare``: called once in every worker, first of all.

    Raises:
        ClusterMissingError
    """
    _require_answer(address)
    with _connected(_ray(), address=address, runtime_env={"worker_process_setup_hook": prepare}):
        yield


class RayWorkers:
    """The workers of the cluster that this process is connected to. ``program``: what theirs must be, where it could be another."""

    def __init__(self, hear: Hear, program: str | None = None) -> None:
        ray = _ray()
        self._ray = ray
        self._hear = hear
        self._program = program
        self._tasks: dict[Any, tuple[Task, list[Any]]] = {}
        self._names: list[str] = []
        self._begun: Counter[int] = Counter()
        self._board = ray.remote(num_cpus=0, max_restarts=-1)(_Board).remote()

    def room(self) -> bool:
        return len(self._tasks) < int(self._ray.cluster_resources().get("CPU", 1))

    def start(self, task: Task) -> None:
        remote = self._ray.remote(num_cpus=1, max_retries=RETRIES, num_returns=1 + task.parts)(_carried_out)
        key = len(self._names)
        self._names.append(task.name)
        refs = remote.remote(self._board, key, self._program, task.parts, task.function, *task.arguments)
        self._tasks[refs[0]] = (task, refs[1:])

    def next(self) -> Finished:
        while True:
            done, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=HEAR_EVERY_S)
            self._pass_on()
            if done:
                return self._finished(done[0])

    def value(self, part: Any) -> Any:
        return self._ray.get(part)

    def _finished(self, ref: Any) -> Finished:
        task, parts = self._tasks.pop(ref)
        try:
            error = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as unable:
            error = TaskFailedError(f"a worker cannot run kincast: {unable.cause or unable}")
        except self._ray.exceptions.RayError as lost:
            why = str(lost).strip().splitlines()[0]
            error = WorkersLostError(f"its worker was lost {RETRIES + 1} times: {why}")
        return Finished(task, tuple(parts) if error is None else (), error)

    def _pass_on(self) -> None:
        """What the tasks said since."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            for key, line in self._ray.get(self._board.taken.remote()):
                name = self._names[key]
                if line != BEGUN:
                    self._hear(name, line)
                    continue
                self._begun[key] += 1
                if self._begun[key] > 1:
                    self._hear(name, f"its worker was lost; begun anew ({self._begun[key]} of {RETRIES + 1})")


class _Board:
    """Lines of tasks for the driver to fetch."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str]] = []

    def say(self, key: int, line: str) -> None:
        self._lines.append((key, line))

    def taken(self) -> list[tuple[int, str]]:
        lines, self._lines = self._lines, []
        return lines


def _carried_out(
    board: Any,
    key: int,
    program: str | None,
    parts: int,
    function: Callable[..., tuple[Any, ...]],
    *arguments: Any,
) -> tuple[Any, ...]:
    """The error, or None, and then the parts: an error that were raised would be Ray's, and told by it."""
    ray = _ray()
    said = board.say.remote(key, BEGUN)

    def tell(line: str) -> None:
        nonlocal said
        said = board.say.remote(key, line)

    try:
        if program is not None and program_sha256() != program:
            raise ClusterMissingError(
                "a worker has another version of kincast; install the same on all computers of the cluster"
            )
        return (None, *function(*arguments, tell))
    except UserMistakeError as mistake:
        return (mistake, *[None] * parts)
    except Exception as error:
        there = TaskFailedError(f"{type(error).__name__}: {error}")
        there.add_note(traceback.format_exc())
        return (there, *[None] * parts)
    finally:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(said, timeout=LAST_WORD_S)  # lines come before the end


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise ClusterMissingError(
            "--cluster needs Ray, which is not installed: pip install 'kincast[cluster]' (or leave --cluster out: one process)"
        ) from None
    return ray


def _require_answer(address: str) -> None:
    """Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise ClusterMissingError(
            f"--cluster-address {address}: expected HOST:PORT, as `ray start --head` says it, or auto"
        )
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except OSError as error:
        raise ClusterMissingError(
            f"--cluster-address {address}: no cluster answers there ({error.strerror or error}); start one there"
            " (ray start --head), or leave the address out: workers on this computer"
        ) from None


@contextlib.contextmanager
def _connected(ray: Any, **options: Any) -> Iterator[None]:
    try:
        ray.init(configure_logging=False, log_to_driver=False, **options)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        why = str(error).strip().splitlines()[0]
        raise ClusterMissingError(f"no cluster at {options['address']}: {why}") from None
    try:
        yield
    finally:
        ray.shutdown()
