"""Bundle adjustment on rigs put wrong: every camera turned by 1 degree and moved by 2 cm, in directions of its own.

    python -m tests.bench.bundle_recovery [--cases walking1 ...] [--seeds 1 2 3] [--size-only]

Turn and distance of each camera from the true one; median over all cameras and the worst. ``relative``: after the similarity that lays the
rig best onto the true one, which no picture tells; ``absolute``: as it stands (the calibrated rig's mean error stays in it).
``in sd``: root mean square of the errors over the standard deviations that adjustment states (1 = as it says).
``size``: rigs that were besides made 6 % too large; distances of the cameras from their middle against the true ones, without and with the person's
body, which was fitted to another recording of theirs.
``points known``: what the same detections would give if every point of space were known: a bound for anything that
adds knowledge of the person.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.bench.live_accuracy import FOUR

CASES = ("walking1", "camargo_levelground", "STS1")
SEEDS = (1, 2, 3)
STREAMS = {"noisy": "pose", "error-free": "pose_clean"}
RIGS: dict[str, tuple[int, ...]] = {"8 cameras": (), "4 cameras": FOUR}


def _observations(data: Path, case: str, stream: str, cameras: tuple[int, ...]):
    import tempfile

    from kincast.offline.observe import observe
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.mcap"
        write_recording(import_source(data / "multiview" / case, ImportOptions(stream=stream)), path)
        seen = observe(path)[1]
    if not cameras:
        return seen
    index = list(cameras)
    return replace(
        seen,
        cameras=tuple(seen.cameras[i] for i in index),
        t_ns=seen.t_ns[:, index],
        keypoints=seen.keypoints[:, index],
    )


def known_points_sd(seen) -> tuple[float, float]:
    """Median over the cameras: sd (deg, m) of a camera that sees points known exactly, of the right calibration."""
    from kincast.offline.bundle import POSE, BundleConfig
    from kincast.offline.bundle_noise import LearnedNoise
    from kincast.offline.bundle_solver import Guess, Prior, slopes_at, solve
    from kincast.offline.bundle_views import SECTORS, gathered
    from kincast.offline.camera_change import PARAMETERS

    config = BundleConfig()
    views, points = gathered([seen], seen.cameras, config.views)
    noise = LearnedNoise(views.keypoints)
    nothing = np.zeros((views.keypoints, SECTORS, 2))
    guess = Guess(np.zeros((len(seen.cameras), PARAMETERS)), points, nothing)
    held = Prior(np.ones((len(seen.cameras), PARAMETERS)), np.zeros(PARAMETERS, bool), 4.0, 2.0)
    for _ in range(2):
        solution = solve(seen.cameras, views, noise.of(views), held, guess)
        noise.learn(views, solution)
        guess = solution.guess
    at = slopes_at(seen.cameras, views, noise.of(views), guess)
    slopes = at.by_camera[..., POSE]
    own = np.einsum("pc,pcia,pcib->cab", at.weight, slopes, slopes, optimize=True)
    sd = [np.sqrt(np.diag(np.linalg.inv(one))) for one in own]
    turns, shifts = [np.degrees(np.linalg.norm(s[:3])) for s in sd], [np.linalg.norm(s[3:]) for s in sd]
    return float(np.median(turns)), float(np.median(shifts))


def measure(
    data: Path | None, cases: Sequence[str] = CASES, seeds: Sequence[int] = SEEDS
) -> dict[str, float]:
    """Over all cases, seeds and cameras of every stream and rig."""
    from kincast.offline.bundle import adjusted
    from kincast.offline.camera_change import change_between
    from tests.offline.rig_errors import errors, put_wrong, relative_errors

    if data is None:
        return {}
    figures: dict[str, float] = {}
    for stream, folder in STREAMS.items():
        for rig, cameras in RIGS.items():
            found: dict[str, list[np.ndarray]] = {"relative": [], "absolute": []}
            in_sd: list[np.ndarray] = []
            for case in cases:
                seen = _observations(data, case, folder, cameras)
                own = []
                for seed in seeds:
                    bundle = adjusted([replace(seen, cameras=put_wrong(seen.cameras, seed))])
                    if bundle is None:
                        continue
                    own.append(np.array(relative_errors(bundle.cameras, seen.cameras)))
                    found["absolute"].append(np.array(errors(bundle.cameras, seen.cameras)))
                    in_sd += [
                        change_between(f, t)[:6] / c.sd[:6]
                        for f, t, c in zip(bundle.cameras, seen.cameras, bundle.changes, strict=True)
                    ]
                found["relative"] += own
                each = np.concatenate(own, axis=1)
                line = f"{case:20s} {stream:10s} {rig}  {_median_worst(each)}"
                if stream == "noisy":
                    turn_deg, shift_m = known_points_sd(seen)
                    line += f"   points known: {turn_deg:.2f} deg {1000 * shift_m:.1f} mm"
                print(line, flush=True)
            for kind, parts in found.items():
                turns, shifts = np.concatenate(parts, axis=1)
                name = f"rig put wrong, {stream}, {rig}, {kind}:"
                figures[f"{name} turn, median (deg)"] = float(np.median(turns))
                figures[f"{name} turn, worst (deg)"] = float(turns.max())
                figures[f"{name} shift, median (mm)"] = 1000 * float(np.median(shifts))
                figures[f"{name} shift, worst (mm)"] = 1000 * float(shifts.max())
            if stream == "noisy":
                rms = float(np.sqrt(np.mean(np.square(in_sd))))
                figures[f"rig put wrong, {stream}, {rig}: error in sd"] = rms
    return figures


TOO_LARGE = 1.06


def measure_size(data: Path | None, seeds: Sequence[int] = SEEDS) -> dict[str, float]:
    """Median and worst size error (%) of the adjusted rigs."""
    from kincast.models.body_fit import fit_body
    from kincast.offline.bundle import adjusted
    from kincast.offline.bundle_gauge import resized
    from tests.offline.rig_errors import put_wrong, size_ratio

    if data is None:
        return {}
    figures: dict[str, float] = {}
    body = fit_body(_observations(data, "walkingTI1", "pose", ())).parameters
    for rig, cameras in RIGS.items():
        seen = _observations(data, "walking1", "pose", cameras)
        for name, known in (("no body", None), ("body known", body)):
            off = []
            for seed in seeds:
                wrong = put_wrong(resized(seen.cameras, np.log(TOO_LARGE)), seed)
                bundle = adjusted([replace(seen, cameras=wrong)], body=known)
                if bundle is not None:
                    off.append(100 * abs(size_ratio(bundle.cameras, seen.cameras) - 1.0))
            figures[f"rig 6 % too large, {rig}, {name}: size, median (%)"] = float(np.median(off))
            figures[f"rig 6 % too large, {rig}, {name}: size, worst (%)"] = float(np.max(off))
    return figures


def _median_worst(errors: np.ndarray) -> str:
    turns, shifts = errors
    return (
        f"{np.median(turns):.2f} (worst {turns.max():.2f}) deg "
        f"{1000 * np.median(shifts):5.1f} (worst {1000 * shifts.max():.1f}) mm"
    )


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", default=CASES)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--size-only", action="store_true")
    options = parser.parse_args()
    figures = {} if options.size_only else measure(data_dir(), options.cases, options.seeds)
    for figure, value in (figures | measure_size(data_dir(), options.seeds)).items():
        print(f"{figure:70s} {value:8.3f}")


if __name__ == "__main__":
    main()
