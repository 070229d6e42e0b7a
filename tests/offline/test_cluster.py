"""A real Ray cluster of two workers on this computer; workers are killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from kincast.models.errors import UserMistakeError
from kincast.offline import run_jobs as module
from kincast.offline.cluster import ClusterMissingError, RayWorkers, joined_cluster, local_cluster
from kincast.offline.job_folder import filled
from kincast.offline.jobs import RefitJob
from kincast.offline.refit_tasks import WrittenTrial
from kincast.offline.run_jobs import Status, run_jobs
from kincast.offline.workers import InProcess, Tell
from tests.offline.refit_jobs import jobs_of

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra cluster)"),
    # Ray forks to start its processes, which go on to another program at once; other tests have started JAX here
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
]


def tasks(log: Path, victims: set[str]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Functions that workers take along; each notes that it began, victims say who they are and wait to be killed once."""

    def begin(name: str, tell: Tell) -> None:
        import os
        import time

        with (log / name).open("a") as file:
            file.write("begun\n")
        if name in victims and (log / name).read_text() == "begun\n":
            tell(f"{name} {os.getpid()}")
            time.sleep(120.0)

    def fit_person(job: RefitJob, tell: Tell) -> tuple[bytes, ...]:
        begin(f"fit {job.person}", tell)
        if job.person == "P4":
            raise UserMistakeError("only one camera")
        if job.person == "P5":
            raise ZeroDivisionError("ours")
        return tuple(path.read_bytes() for path in job.recordings)

    def write_trial(job: RefitJob, index: int, found: bytes, tell: Tell) -> tuple[WrittenTrial]:
        with filled(job.folders[index], job) as aside:
            (aside / "valid.csv").write_bytes(found)
            begin(f"write {job.recordings[index].stem}", tell)
        return (WrittenTrial(job.folders[index], len(found), 1.0, 0, 0, ()),)

    return fit_person, write_trial


class Killer:
    """Kills the worker that says who it is."""

    def __init__(self, victims: set[str]) -> None:
        self._victims = victims
        self.lines: list[tuple[str, str]] = []

    def hear(self, person: str, line: str) -> None:
        self.lines.append((person, line))
        name, _, pid = line.rpartition(" ")
        if name in self._victims:
            os.kill(int(pid), signal.SIGKILL)


def _begun(log: Path) -> Counter[str]:
    return Counter({p.name: len(p.read_text().splitlines()) for p in log.iterdir()})


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://head:10001", "expected HOST:PORT"),
        ("head", "expected HOST:PORT"),
        ("127.0.0.1:1", "no cluster answers"),
    ],
)
def test_a_cluster_that_does_not_answer_is_said_at_once(address: str, message: str) -> None:
    with pytest.raises(ClusterMissingError, match=message), joined_cluster(address, lambda: None):
        pass


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterMissingError, match=r"pip install 'kincast\[cluster\]'"), local_cluster():
        pass


def test_a_killed_worker_costs_only_its_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = {"P1": 2, "P2": 1, "P3": 1, "P4": 1, "P5": 1}
    statuses = [Status.DONE, Status.DONE, Status.DONE, Status.REFUSED, Status.FAILED]
    logs = [tmp_path / "log here", tmp_path / "log cluster"]
    for log in logs:
        log.mkdir()

    def use(log: Path, victims: set[str]) -> None:
        fit, write = tasks(log, victims)
        monkeypatch.setattr(module, "fit_person", fit)
        monkeypatch.setattr(module, "write_trial", write)

    use(logs[0], set())
    alone = run_jobs(jobs_of(tmp_path, people, "here"), InProcess(lambda name, line: None))
    assert [o.status for o in alone] == statuses

    victims = {"fit P2", "write P1-1"}
    use(logs[1], victims)
    killer = Killer(victims)
    with local_cluster(workers=2, object_store_bytes=100 * 2**20):
        import ray

        assert ray.cluster_resources()["CPU"] == 2
        assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}
        shared = run_jobs(jobs_of(tmp_path, people, "cluster"), RayWorkers(killer.hear))
    assert [o.status for o in shared] == statuses
    assert str(shared[3].error) == "only one camera"
    assert str(shared[4].error) == "ZeroDivisionError: ours"

    once = _begun(logs[0])
    assert set(once.values()) == {1}
    assert _begun(logs[1]) - once == Counter({"fit P2": 1, "write P1-1": 1})
    assert {person for person, line in killer.lines if "begun anew" in line} == {"P1", "P2"}
    for one, other in zip(alone, shared, strict=True):
        for a, b in zip(one.job.folders, other.job.folders, strict=True):
            assert {p.name: p.read_bytes() for p in a.iterdir()} == {
                p.name: p.read_bytes() for p in b.iterdir()
            }
    assert not ray.is_initialized()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.data
@pytest.mark.slow
def test_results_on_a_cluster_are_those_of_one_process(data_dir: Path, tmp_path: Path) -> None:
    from kincast.deploy.cli.refit import Refit
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source

    recordings = []
    for subject, case in (("P1", "walkingTI1"), ("P2", "walkingTS2")):
        recordings.append(tmp_path / f"{subject}.mcap")
        imported = import_source(data_dir / "multiview" / case, ImportOptions(subject_id=subject))
        write_recording(imported, recordings[-1])
    here, there = tmp_path / "here", tmp_path / "cluster"
    assert Refit(tuple(recordings), here, by_subject=True).run() == 0
    assert Refit(tuple(recordings), there, cluster=True, workers=2).run() == 0
    for one in sorted(here.glob("P*/*")):
        other = there / one.relative_to(here)
        if one.name == "summary.json":
            first, second = (json.loads(path.read_text()) for path in (one, other))
            assert set(first["config"].pop("seconds")) == set(second["config"].pop("seconds"))
            assert first == second
        elif one.name != "job.json":
            assert one.read_bytes() == other.read_bytes()
