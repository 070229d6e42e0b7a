"""Accuracy of gait events on measured motion of many people, against force plates.

    python -m tests.bench.gait_accuracy DATA [--held-out] [--noise-mm 4] [--rate 60] [--clocks] [--backwards] [--slower 2]

Motion is optical: virtual keypoints of the multi-view cases, skin markers of the children (C3D) and of the
OpenCap, BMC and Camargo trials, low-passed at 10 Hz. Only contacts a plate saw from a clear begin to a clear end count. With
``--held-out``: people and tasks on which no setting was chosen. ``--clocks`` prints, per clock of the detector, its delay to the plates: median over people, spread between and within.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from kincast.models.gait.clocks import FORWARD, TYPICAL_SWING_S
from kincast.models.gait.detector import GaitDetector
from kincast.models.gait.signals import foot_signals
from tests.bench.gait_trials import all_walks, held_out_walks
from tests.models.gait_walks import MeasuredWalk, detect, score


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


def measure(data: Path | None) -> dict[str, float]:
    """Share of plate events found and the median error, with 4 mm of noise, for the figures of ``make bench``."""
    if data is None:
        return {}
    figures: dict[str, float] = {}
    for label, walks in (("people", all_walks(data)), ("held out", held_out_walks(data))):
        noisy = [walk.noisy(0.004) for _, walk in walks if walk.events]
        scores = [score(walk, detect(walk), reach_s=0.15) for walk in noisy]
        errors = np.concatenate([s.errors for s in scores])
        figures[f"gait optical, {label}: events found"] = len(errors) / (
            len(errors) + sum(s.missed for s in scores)
        )
        figures[f"gait optical, {label}: median abs"] = float(np.median(np.abs(errors))) * 1e3
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--noise-mm", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=60.0)
    parser.add_argument("--slower", type=float)
    parser.add_argument("--backwards", action="store_true")
    parser.add_argument("--clocks", action="store_true")
    options = parser.parse_args()
    walks = held_out_walks(options.root) if options.held_out else all_walks(options.root)
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
