"""``kincast bench live``: senders, engine and subscriber as separate processes, timed from outside."""

from __future__ import annotations

import json
import os
import pickle
import platform
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kincast.deploy.bench_load import Load, make_load
from kincast.models.coordinates import COORDINATES, coordinates_from_pose
from kincast.models.errors import UserMistakeError
from kincast.offline.angle_errors import MAIN
from kincast.streaming import wire
from kincast.streaming.messages import EngineHealth, LiveFrame


class BenchFailedError(UserMistakeError):
    """A process of the benchmark ended before its time."""


@dataclass(frozen=True)
class LiveBench:
    """What to run. ``known_body``: without it the body is estimated and swapped in during the measurement.

    ``cold_cache``: compile once into an empty cache of our own first, and say how long that takes.
    ``real_time``: all of them ask for real-time scheduling.
    """

    cameras: int
    points: int
    fps: float
    seconds: float
    known_body: bool = False
    free_running: bool = False
    torques: bool = False
    cold_cache: bool = False
    real_time: bool = False


def run(bench: LiveBench, folder: Path) -> dict[str, Any]:
    """One measurement; everything it made stays in ``folder`` (load.mcap, session.mcap, logs).

    Raises:
        BenchLoadError, BenchFailedError
    """
    load = make_load(folder, bench.cameras, bench.points, bench.fps, bench.seconds, bench.free_running)
    body = folder / "body.json"
    body.write_text(load.body.to_json())
    session = folder / "session.mcap"
    session.unlink(missing_ok=True)
    arguments = [str(load.recording), str(session)]
    arguments += ["--body", str(body)] if bench.known_body else []
    arguments += ["--torques"] if bench.torques else []
    scheduling = ["--real-time"] if bench.real_time else []
    arguments += scheduling
    cold: dict[str, float] = {}
    environment = dict(os.environ)
    if bench.cold_cache:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(folder / "compilation-cache")
        cold["ready_cold_s"] = _ready_cold_s(arguments, environment, folder / "compilation-cache")
        session.unlink()
    load_before = os.getloadavg()[0]
    engine = _start("kincast.deploy.bench_engine", *arguments, environment=environment)
    listener = None
    try:
        ready = json.loads(_line(engine, "the engine"))
        listener = _start(
            "kincast.deploy.bench_listener", ready["publish"], str(folder / "arrived.pickle"), *scheduling
        )
        _line(listener, "the subscriber")
        sender = [sys.executable, "-m", "kincast.deploy.player", str(load.recording), ready["ingest"]]
        sent = folder / "sent.npz"
        subprocess.run([*sender, "--repeats", "1", "--log", str(sent), *scheduling], check=True)
        engine.send_signal(signal.SIGINT)
        ended = json.loads(_line(engine, "the engine"))
        engine.wait(30)
        listener.send_signal(signal.SIGINT)
        listener.wait(30)
    except subprocess.CalledProcessError as error:
        raise BenchFailedError(f"the senders ended with {error.returncode}") from None
    finally:
        for process in (engine, listener):
            if process is not None and process.poll() is None:
                process.kill()
    arrived = [
        (stamp, wire.decode(frame)) for stamp, frame in pickle.loads((folder / "arrived.pickle").read_bytes())
    ]
    with np.load(sent) as log:
        figures = evaluate(load, arrived, log["t_ns"], log["sent_ns"], int(log["shift_ns"]))
    return {
        **figures,
        "stages": {
            name: {"p50_ms": round(p50, 4), "p99_ms": round(p99, 4), "max_ms": round(most, 4)}
            for name, (p50, p99, most) in ended["stages"].items()
        },
        "load": {**vars(bench)},
        "ready_s": round(ready["ready_s"], 2),
        **cold,
        "engine_peak_mb": round(ended["peak_mb"], 1),
        "real_time": ready["real_time"],
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_before": round(load_before, 2),
        },
    }


def _ready_cold_s(arguments: list[str], environment: dict[str, str], cache: Path) -> float:
    """How long the engine takes to compile everything; the cache is filled afterwards."""
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(mode=0o700)
    engine = _start("kincast.deploy.bench_engine", *arguments, environment=environment)
    try:
        ready_s = json.loads(_line(engine, "the engine"))["ready_s"]
        engine.send_signal(signal.SIGINT)
        engine.wait(30)
    finally:
        if engine.poll() is None:
            engine.kill()
    return round(ready_s, 2)


def evaluate(
    load: Load, arrived: list[tuple[int, Any]], t_ns: np.ndarray, sent_ns: np.ndarray, shift_ns: int
) -> dict[str, Any]:
    """Latency per LiveFrame, losses, and the streamed angles beside the sent motion."""
    frames = [(stamp, m) for stamp, m in arrived if isinstance(m, LiveFrame) and not m.flush]
    health = [m for _, m in arrived if isinstance(m, EngineHealth)]
    if not frames:
        raise BenchFailedError("not a single LiveFrame arrived")
    order = np.argsort(t_ns)
    t_ns, sent_ns = t_ns[order], sent_ns[order]
    # free-running pictures of one snapshot have several instants: the last one sent within half a period counts
    period_ns = np.median(np.diff([m.t_ns for _, m in frames])) if len(frames) > 1 else 0
    latency_ms = []
    for stamp, frame in frames:
        near = np.abs(t_ns - frame.t_ns) < 0.5 * period_ns
        if near.any():
            latency_ms.append((stamp - sent_ns[near].max()) * 1e-6)
    expected = len(np.unique(np.round((t_ns - t_ns[0]) / max(period_ns, 1))))
    p50, p99 = np.percentile(latency_ms, [50, 99])
    last = health[-1] if health else None
    return {
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "max_ms": round(float(np.max(latency_ms)), 3),
        "dropped": int(max(0, expected - len(frames)) + (last.dropped if last else 0)),
        "frames": len(frames),
        **_angle_errors(load, [m for _, m in arrived if isinstance(m, LiveFrame)], shift_ns),
        "body_swaps": len({m.body_sha256 for _, m in frames}) - 1,
    }


def _angle_errors(load: Load, frames: list[LiveFrame], shift_ns: int) -> dict[str, float]:
    said = [f.kinematics for f in frames if f.kinematics is not None and f.kinematics.valid]
    if not said:
        return {"rmse_deg": float("nan"), "rmse_mean_removed_deg": float("nan")}
    main = [COORDINATES.index(name) for name in MAIN]
    truth = np.stack([coordinates_from_pose(q) for q in load.qpos])[:, main]
    at_ns = np.array([k.t_ns - shift_ns for k in said])
    expected = np.stack([np.interp(at_ns, load.t_ns, truth[:, c]) for c in range(len(main))], axis=1)
    got = np.stack([coordinates_from_pose(k.qpos) for k in said])[:, main]
    error = np.rad2deg(got - expected)
    return {
        "rmse_deg": round(float(np.sqrt(np.mean(error**2))), 3),
        "rmse_mean_removed_deg": round(float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2))), 3),
    }


def _start(module: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment,
    )


def _line(process: subprocess.Popen[str], who: str) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchFailedError(f"{who} ended with exit code {process.wait()} before it was ready")
    return line


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
