"""Measured motion of many people with force plates, as gait walks: multi-view truth, TRC and C3D trials.

Thresholds and clock delays of the detector were chosen on ``all_walks``; ``held_out_walks`` were never looked at for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import butter, filtfilt

from kincast.streaming.results.storage import read_storage
from kincast.streaming.results.trc import Trc, read_trc
from tests.models.gait_walks import MeasuredWalk, PlateEvent, multiview_walk

CASES = ("treadmill60", "walking1", "walkingTI1", "walkingTS2", "subject01_walk", "camargo_levelground")
CASE_PERSON = {
    "walking1": "opencap4",
    "walkingTI1": "opencap4",
    "walkingTS2": "opencap4",
    "camargo_levelground": "camargo",
}
UNDECLARED_BELT_M_S = {"subject01_walk": 1.13}
LOADED_N = 20.0


@dataclass(frozen=True)
class Plate:
    """One plate: vertical force (N) and centre of pressure (m, world) at its own times."""

    t_s: np.ndarray
    force_n: np.ndarray
    pressure_m: np.ndarray


def plate_events(plates: list[Plate], t_s: np.ndarray, feet: np.ndarray) -> tuple[PlateEvent, ...]:
    """Crossings of 20 N of every whole contact, given to the foot that is nearest to the pressure."""
    events = []
    for plate in plates:
        loaded = np.diff(np.concatenate([[0], (plate.force_n > LOADED_N).astype(int), [0]]))
        for begin, end in zip(
            np.nonzero(loaded == 1)[0].tolist(), np.nonzero(loaded == -1)[0].tolist(), strict=True
        ):
            if (
                end - begin < 3
                or plate.t_s[end - 1] - plate.t_s[begin] < 0.15
                or plate.force_n[begin:end].max() < 150
            ):
                continue
            third = (end - begin) // 3
            middle = slice(begin + third, begin + 2 * third + 1)
            pressure = np.median(plate.pressure_m[middle], axis=0)
            rows = (t_s >= plate.t_s[middle][0]) & (t_s <= plate.t_s[middle][-1])
            if not rows.any():
                continue
            away = [np.linalg.norm(feet[rows, k, :, :2].mean((0, 1)) - pressure) for k in (0, 1)]
            if min(away) > 0.2 or max(away) - min(away) < 0.1:
                continue
            side = ("right", "left")[int(np.argmin(away))]
            events += _edges(plate, begin, end, side)
    inside = [e for e in events if t_s[0] < e.time_s < t_s[-1]]
    return tuple(sorted(inside, key=lambda e: e.time_s))


def _edges(plate: Plate, begin: int, end: int, side: str) -> Iterator[PlateEvent]:
    """A clear edge reaches 100 N within 60 ms; others are another foot stepping on, or a cut record."""
    for event, low, high, near in (("foot_strike", begin - 1, begin, 1), ("foot_off", end, end - 1, -1)):
        if not 0 <= low < len(plate.force_n):
            continue
        a, b = plate.force_n[low], plate.force_n[high]
        at = plate.t_s[low] + (LOADED_N - a) / (b - a) * (plate.t_s[high] - plate.t_s[low])
        soon = (near * (plate.t_s - at) > 0) & (near * (plate.t_s - at) < 0.06)
        if soon.sum() >= 3 and plate.force_n[soon].max() > 100:
            yield PlateEvent(float(at), side, event)


def walk_of(
    name: str,
    t_s: np.ndarray,
    right: list[np.ndarray],
    left: list[np.ndarray],
    pelvis: np.ndarray,
    plates: list[Plate],
) -> MeasuredWalk:
    """Markers low-passed at 10 Hz and brought to 60 Hz; a foot of two markers has its toe twice."""
    feet = np.stack([np.stack((side + side[-1:])[:3], 1) for side in (right, left)], 1)
    both = np.concatenate([feet.reshape(len(t_s), -1), pelvis], 1)
    whole = np.isfinite(both).all(axis=1)
    rows = slice(int(np.argmax(whole)), len(whole) - int(np.argmax(whole[::-1])))
    t_s, both = t_s[rows], both[rows]
    for column in both.T:
        gap = np.isnan(column)
        column[gap] = np.interp(t_s[gap], t_s[~gap], column[~gap])
    b, a = butter(2, min(10.0 * 2 * float(np.median(np.diff(t_s))), 0.99))
    both = filtfilt(b, a, both, axis=0)
    feet, pelvis = both[:, :18].reshape(-1, 2, 3, 3), both[:, 18:]
    walk = MeasuredWalk(name, t_s, feet, pelvis, np.zeros(2), plate_events(plates, t_s, feet))
    return walk.at_rate(60.0)


def z_up(points: np.ndarray) -> np.ndarray:
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def opensim_table(path: Path) -> dict[str, np.ndarray]:
    storage = read_storage(path)
    return {"time": storage.time_s, **{name: storage.column(name) for name in storage.columns}}


def named_points(trc: Trc) -> dict[str, np.ndarray]:
    """Markers of a file with Y up, world axes."""
    return {m: z_up(trc.points_m[:, i]) for i, m in enumerate(trc.markers)}


def sided_plates(path: Path) -> list[Plate]:
    """A force file with one set of columns per side (Y up)."""
    table = opensim_table(path)
    return [
        Plate(
            table["time"],
            table[f"{side}_ground_force_vy"],
            np.stack([table[f"{side}_ground_force_px"], -table[f"{side}_ground_force_pz"]], -1),
        )
        for side in "RL"
    ]


def marker_walks(root: Path) -> Iterator[tuple[str, MeasuredWalk]]:
    """Person and walk of every marker trial with plates."""
    trials = [
        ("opencap4", p)
        for p in sorted((root / "opencap_subject4_markers" / "MarkerData").glob("walking*.trc"))
    ]
    trials += [("camargo", p) for p in sorted((root / "camargo_levelground" / "MarkerData").glob("*.trc"))]
    for person, path in trials:
        table = opensim_table(path.parents[1] / "ID" / f"{path.stem}_grf.mot")
        plates = [
            Plate(
                table["time"],
                table[f"ground_force_{k}_vy"],
                np.stack([table[f"ground_force_{k}_px"], -table[f"ground_force_{k}_pz"]], -1),
            )
            for k in range(1, 9)
            if f"ground_force_{k}_vy" in table
        ]
        trc = read_trc(path)
        points = named_points(trc)
        named = (("calc", "toe", "5meta"), ("Heel", "Toe_Tip", "Toe_Lat"))["R_Heel" in points]
        right = [points.get(f"r_{m}", points.get(f"R_{m}")) for m in named]
        left = [points[f"L_{m}"] for m in named]
        pelvis = np.mean([v for k, v in points.items() if re.search("[AP]SIS", k)], axis=0)
        yield person, walk_of(path.stem, np.asarray(trc.time_s), right, left, pelvis, plates)
    yield from c3d_walks(root)


HEEL_AND_TOE = (("RHEE", "RTOE"), ("LHEE", "LTOE"))


def c3d_walks(root: Path) -> Iterator[tuple[str, MeasuredWalk]]:
    files = sorted((root / "biomechzoo_children").glob("*/[ST][tu]r*/*.c3d"))
    files += [
        root / "btk_fullbody" / "walk.c3d",
        root / "btk_plugin_gait" / "PiG_Motion3_FF.c3d",
        root / "bmc_gait_and_run" / "Gait.c3d",
    ]
    for path in files:
        walk = c3d_walk(path, HEEL_AND_TOE)
        if walk is not None:
            yield (path.parts[-3] if "biomechzoo" in str(path) else path.parent.name, walk)


def c3d_walk(path: Path, feet: Sequence[Sequence[str]]) -> MeasuredWalk | None:
    """One file with Z up; None where no reader is installed."""
    try:
        import ezc3d
    except ImportError:
        return None
    c3d = ezc3d.c3d(str(path), extract_forceplat_data=True)
    labels = c3d["parameters"]["POINT"]["LABELS"]["value"]
    xyz = c3d["data"]["points"][:3].transpose(2, 1, 0) / 1000.0
    xyz[np.abs(xyz).sum(-1) == 0] = np.nan
    rate, first = c3d["header"]["points"]["frame_rate"], c3d["header"]["points"]["first_frame"]
    analog_rate = c3d["header"]["analogs"]["frame_rate"]
    hips = [xyz[:, labels.index(n)] for n in ("RASI", "LASI", "SACR", "RPSI", "LPSI") if n in labels]
    plates = []
    for plate in c3d["data"]["platform"]:
        force = np.abs(plate["force"][2])
        force = force - np.median(np.sort(force)[: max(50, len(force) // 10)])
        b, a = butter(2, 100.0 / analog_rate)
        times = first / rate + np.arange(len(force)) / analog_rate
        plates.append(Plate(times, filtfilt(b, a, force), plate["center_of_pressure"].T[:, :2] / 1000.0))
    t_s = (first + np.arange(len(xyz))) / rate
    right, left = ([xyz[:, labels.index(name)] for name in side] for side in feet)
    return walk_of(path.stem, t_s, right, left, np.mean(hips, axis=0), plates)


def all_walks(root: Path) -> list[tuple[str, MeasuredWalk]]:
    walks = []
    for case in CASES:
        walk = multiview_walk(root / "multiview" / case)
        if case in UNDECLARED_BELT_M_S:
            walk = replace(walk, ground=np.array([-UNDECLARED_BELT_M_S[case], 0.0]))
        walks.append((f"{CASE_PERSON.get(case, case)} (keypoints)", walk))
    return walks + list(marker_walks(root))


def held_out_walks(root: Path) -> list[tuple[str, MeasuredWalk]]:
    """People and tasks on which nothing was tuned: two more adults, one step of a third, stairs, a run."""
    found = []
    trials = (
        ("opencap5", "opencap_subject5_markers/walking2", "_forces.mot", "{s}_", ("calc", "toe", "5meta")),
        ("lencioni", "lencioni_step/markers", None, "{S}x", ("Heel", "Toe1", "Meta5")),
        ("bmc run", "bmc_gait_and_run/run/ExpData/motion_capture_run", None, "{S}", ("CAL", "TOE", "MT5")),
    )
    forces = {"lencioni": "lencioni_step/grf.mot", "bmc run": "bmc_gait_and_run/run/ExpData/grf_run.mot"}
    for person, stem, suffix, prefix, names in trials:
        trc = read_trc(root / f"{stem}.trc")
        points = named_points(trc)
        right, left = (
            [points[prefix.format(s=side, S=side.upper()) + name] for name in names] for side in ("r", "L")
        )
        pelvis = np.mean([v for k, v in points.items() if re.search("ASI|PSI|sis", k)], axis=0)
        plates = sided_plates(root / (forces[person] if suffix is None else f"{stem}{suffix}"))
        found.append((person, walk_of(Path(stem).name, np.asarray(trc.time_s), right, left, pelvis, plates)))
    for trial in ("walk1", "walk2"):
        trc = read_trc(root / "bmc_walk_trials" / f"{trial}.trc")
        points = named_points(trc)
        right, left = ([points[f"{s}.{m}"] for m in ("Heel", "MT1", "MT5")] for s in "RL")
        pelvis = np.mean([v for k, v in points.items() if re.fullmatch("[RL].[AP]SIS", k)], axis=0)
        plates = cortex_plates(root / "bmc_walk_trials" / f"{trial}.forces", float(trc.time_s[0]))
        found.append(("bmc walk", walk_of(trial, np.asarray(trc.time_s), right, left, pelvis, plates)))
    stairs = c3d_walk(
        root / "pycgm_stair_descent" / "descent.c3d", (("RHEE", "RTOE", "RANK"), ("LANK", "LTOE"))
    )
    return found + ([("stairs", stairs)] if stairs else [])


def cortex_plates(path: Path, first_s: float) -> list[Plate]:
    """A Cortex .forces file: N and mm, Y up."""
    lines = path.read_text().splitlines()
    rate = float(next(line for line in lines if line.startswith("SampleRate")).split("=")[1])
    rows = next(i for i, line in enumerate(lines) if line.startswith("#Sample")) + 1
    table = np.array([[float(x) for x in line.split()] for line in lines[rows:] if line.strip()])
    t_s = first_s + np.arange(len(table)) / rate
    return [
        Plate(t_s, np.abs(table[:, k + 1]), np.stack([table[:, k + 3], -table[:, k + 5]], -1) / 1000.0)
        for k in range(1, table.shape[1], 7)
    ]
