"""Accuracy of gait events on measured motion of many people, against force plates.

    python -m tests.bench.gait_accuracy DATA [--noise-mm 4] [--rate 60] [--clocks] [--backwards] [--slower 2]

Motion is optical: virtual keypoints of the multi-view cases, skin markers of the children (C3D) and of the
OpenCap, BMC and Camargo trials, low-passed at 10 Hz. Only contacts a plate saw from a clear begin to a clear end count. With
``--clocks`` prints, per clock of the detector, its delay to the plates: median over people, spread between and within.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import butter, filtfilt

from kincast.models.gait.clocks import FORWARD, TYPICAL_SWING_S
from kincast.models.gait.detector import GaitDetector
from kincast.models.gait.signals import foot_signals
from kincast.streaming.results.trc import read_trc
from tests.models.gait_walks import MeasuredWalk, PlateEvent, detect, multiview_walk, score

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
        for begin, end in zip(np.nonzero(loaded == 1)[0], np.nonzero(loaded == -1)[0], strict=True):
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
    lines = path.read_text().splitlines()
    head = next(i for i, line in enumerate(lines) if line.strip() == "endheader") + 1
    values = np.array([[float(x) for x in line.split()] for line in lines[head + 1 :] if line.strip()])
    return dict(zip(lines[head].split(), values.T, strict=True))


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
        points = {m: z_up(trc.points_m[:, i]) for i, m in enumerate(trc.markers)}
        named = (("calc", "toe", "5meta"), ("Heel", "Toe_Tip", "Toe_Lat"))["R_Heel" in points]
        right = [points.get(f"r_{m}", points.get(f"R_{m}")) for m in named]
        left = [points[f"L_{m}"] for m in named]
        pelvis = np.mean([v for k, v in points.items() if re.search("[AP]SIS", k)], axis=0)
        yield person, walk_of(path.stem, np.asarray(trc.time_s), right, left, pelvis, plates)
    yield from c3d_walks(root)


def c3d_walks(root: Path) -> Iterator[tuple[str, MeasuredWalk]]:
    try:
        import ezc3d
    except ImportError:
        return
    files = sorted((root / "biomechzoo_children").glob("*/[ST][tu]r*/*.c3d"))
    files += [
        root / "btk_fullbody" / "walk.c3d",
        root / "btk_plugin_gait" / "PiG_Motion3_FF.c3d",
        root / "bmc_gait_and_run" / "Gait.c3d",
    ]
    for path in files:
        c3d = ezc3d.c3d(str(path), extract_forceplat_data=True)
        labels = c3d["parameters"]["POINT"]["LABELS"]["value"]
        xyz = c3d["data"]["points"][:3].transpose(2, 1, 0) / 1000.0
        xyz[np.abs(xyz).sum(-1) == 0] = np.nan
        rate, first = c3d["header"]["points"]["frame_rate"], c3d["header"]["points"]["first_frame"]
        at = {name: xyz[:, labels.index(name)] for name in ("RHEE", "RTOE", "LHEE", "LTOE")}
        hips = [xyz[:, labels.index(n)] for n in ("RASI", "LASI", "SACR", "RPSI", "LPSI") if n in labels]
        plates = []
        for plate in c3d["data"]["platform"]:
            force = np.abs(plate["force"][2])
            force = force - np.median(np.sort(force)[: max(50, len(force) // 10)])
            b, a = butter(2, 100.0 / c3d["header"]["analogs"]["frame_rate"])
            times = first / rate + np.arange(len(force)) / c3d["header"]["analogs"]["frame_rate"]
            plates.append(Plate(times, filtfilt(b, a, force), plate["center_of_pressure"].T[:, :2] / 1000.0))
        t_s = (first + np.arange(len(xyz))) / rate
        person = path.parts[-3] if "biomechzoo" in str(path) else path.parent.name
        yield (
            person,
            walk_of(
                path.stem,
                t_s,
                [at["RHEE"], at["RTOE"]],
                [at["LHEE"], at["LTOE"]],
                np.mean(hips, axis=0),
                plates,
            ),
        )


def all_walks(root: Path) -> list[tuple[str, MeasuredWalk]]:
    walks = []
    for case in CASES:
        walk = multiview_walk(root / "multiview" / case)
        if case in UNDECLARED_BELT_M_S:
            walk = replace(walk, ground=np.array([-UNDECLARED_BELT_M_S[case], 0.0]))
        walks.append((f"{CASE_PERSON.get(case, case)} (keypoints)", walk))
    return walks + list(marker_walks(root))


def print_events(walks: list[tuple[str, MeasuredWalk]]) -> None:
    """Per person and over all; people count alike, however many steps they walked."""
    by_person: dict[str, list] = defaultdict(list)
    for person, walk in walks:
        if walk.events:
            by_person[person].append((walk, detect(walk)))
    print(f"{'person':26} events missed  strike ms (bias, sd)   off ms (bias, sd)   said after ms")
    medians: dict[str, list[float]] = defaultdict(list)
    everything, delays, missed = [], [], 0
    for person, runs in by_person.items():
        row = {}
        for kind in ("foot_strike", "foot_off"):
            scores = [
                score(replace(w, events=tuple(e for e in w.events if e.event == kind)), f, reach_s=0.15)
                for w, f in runs
            ]
            row[kind] = np.concatenate([s.errors for s in scores]) * 1e3
            row[kind + " said"] = np.concatenate([s.delays for s in scores]) * 1e3
            row[kind + " missed"] = sum(s.missed for s in scores)
            if len(row[kind]):
                medians[kind].append(float(np.median(row[kind])))
        strike, off = row["foot_strike"], row["foot_off"]
        said = np.concatenate([row["foot_strike said"], row["foot_off said"]])
        lost = row["foot_strike missed"] + row["foot_off missed"]
        everything += [*strike, *off]
        delays += [*said]
        missed += lost
        figures = [f"{x.mean():7.1f} {x.std():6.1f}     " if len(x) else " " * 19 for x in (strike, off)]
        print(
            f"{person:26} {len(said):5d} {lost:5d}   {figures[0]} {figures[1]} {np.median(said) if len(said) else 0:8.0f}"
        )
    error = np.abs(everything)
    print(
        f"\nall: {len(error)} events, {missed} missed, median |error| {np.median(error):.1f} ms, 95 % {np.percentile(error, 95):.0f} ms; ",
        end="",
    )
    print(f"said {np.median(delays):.0f} ms after (95 %: {np.percentile(delays, 95):.0f} ms)")
    for kind, values in medians.items():
        print(
            f"{kind}: median of people {np.median(values):.1f} ms, sd between people {np.std(values):.1f} ms"
        )


def print_clocks(walks: list[tuple[str, MeasuredWalk]]) -> None:
    """Delay of each clock: reading minus plate, for a swing of the typical duration."""
    found: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for person, walk in walks:
        detector = GaitDetector()
        for sample in walk.samples():
            detector.step((sample,), ())
        for event in walk.events:
            if not walk.t_s[0] + 0.3 < event.time_s < walk.t_s[-1] - 0.15:
                continue
            near = event.time_s - walk.t_s[0]
            signals = foot_signals(detector.track, 0, walk.ground)[("right", "left").index(event.side)]
            at = int(np.searchsorted(signals.t_s, near))
            if signals.walking_speed[at] < 0.5:
                continue
            point = int(np.argmin(signals.speed[at]))
            for k, clock in enumerate(FORWARD[event.event]):
                reading = clock.read(signals, point, near, clock.window_s)
                if reading is not None:
                    found[event.event, k][person].append(reading - near)
    print(
        f"\ndelays of the clocks (swing {TYPICAL_SWING_S} s): median of people, sd between, sd within, ms; in use"
    )
    for (event, k), people in found.items():
        each = np.array([np.median(v) for v in people.values()]) * 1e3
        within = np.median([np.std(v) for v in people.values() if len(v) > 2]) * 1e3
        used = FORWARD[event][k]
        print(
            f"{event:12} {k}: {np.median(each):6.1f} {each.std():5.1f} {within:5.1f}   {used.delay_s * 1e3:6.1f} {used.spread_s * 1e3:5.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--noise-mm", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=60.0)
    parser.add_argument("--slower", type=float)
    parser.add_argument("--backwards", action="store_true")
    parser.add_argument("--clocks", action="store_true")
    options = parser.parse_args()
    walks = all_walks(options.root)
    changed = []
    for person, walk in walks:
        walk = walk.slower(options.slower) if options.slower else walk
        walk = walk.reversed() if options.backwards else walk
        changed.append((person, walk.at_rate(options.rate).noisy(options.noise_mm * 1e-3)))
    print_events(changed)
    if options.clocks:
        print_clocks(changed)


if __name__ == "__main__":
    main()
