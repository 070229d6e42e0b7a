"""The live path on real detections and a rig with biased calibration, beside Pose2Sim's own points in the same pictures.

    python -m tests.bench.real_rig [--keep DIR]

``used``: our points with the calibration the live path worked with (cameras.toml, shifts of single cameras put right);
``given``: the same points with the calibration as it came, which is also what Pose2Sim's points are projected with.
All detections with confidence >= 0.5 of the keypoints that both have. ``cold``: without a known body.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.bench.kept_folder import kept_folder

TRIAL = "pose2sim_balancing"


def runs(data: Path, folder: Path) -> dict[str, Mapping[str, Mapping[str, float]]]:
    """Method -> camera (or ``all``) -> gc5, median_px."""
    from kincast.deploy.cli.body import Body
    from kincast.deploy.cli.replay import Replay
    from kincast.offline.pose2sim_baseline import baseline_points
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source
    from kincast.streaming.results.reader import read_results

    source, recording, body = data / TRIAL, folder / "rig.mcap", folder / "body.json"
    with contextlib.redirect_stdout(io.StringIO()):
        imported = import_source(source, ImportOptions())
        write_recording(imported, recording, overwrite=True)
        Body((recording,), body).run()
    found: dict[str, Mapping[str, Mapping[str, float]]] = {}
    for name, known in (("with a body", body), ("cold", None)):
        out = folder / name.replace(" ", "_")
        with contextlib.redirect_stdout(io.StringIO()):
            Replay(recording, out, body=known, torques=True).run()
        ours = read_results(out)
        both = {"used": ours, "given": replace(ours, cameras=imported.header.cameras)}
        for calibration, results in both.items():
            methods = baseline_points(results, source)
            found[f"{name}, {calibration}"] = _plain(methods.pop("kincast"))
            found |= {f"Pose2Sim {m.split('0-100')[-1]}".strip(): _plain(fit) for m, fit in methods.items()}
    return found


def _plain(fits: Mapping) -> dict[str, dict[str, float]]:
    return {camera: {"gc5": fit.gc5, "median_px": fit.median_px} for camera, fit in fits.items()}


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    cameras = list(next(iter(found.values())))
    lines = [f"{'GC_5 / median px':28s}" + "".join(f"{camera:>14s}" for camera in cameras)]
    for method, fits in found.items():
        cells = [f"{fits[c]['gc5']:7.2f} /{fits[c]['median_px']:5.1f}" for c in cameras]
        lines.append(f"{method:28s}" + "".join(f"{cell:>14s}" for cell in cells))
    return "\n".join(lines)


def measure(data: Path | None, keep: Path | None = None) -> dict[str, float]:
    """Shares and medians in all cameras, and by how much the worst camera beats Pose2Sim's (best in total) points there."""
    if data is None or not (data / TRIAL).is_dir():
        return {}
    with kept_folder(keep) as folder:
        found = runs(data, folder)
    print(table(found), flush=True)
    theirs = max(
        (fits for method, fits in found.items() if method.startswith("Pose2Sim")),
        key=lambda f: f["all"]["gc5"],
    )
    figures: dict[str, float] = {}
    for name in ("with a body", "cold"):
        used = found[f"{name}, used"]
        figures[f"real rig {name}: GC_5"] = used["all"]["gc5"]
        figures[f"real rig {name}: median px"] = used["all"]["median_px"]
        figures[f"real rig {name}: GC_5 of the worst camera against Pose2Sim"] = min(
            used[c]["gc5"] - theirs[c]["gc5"] for c in used if c != "all"
        )
        figures[f"real rig {name}: GC_5, calibration as given"] = found[f"{name}, given"]["all"]["gc5"]
    return figures


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="keep recording, body and results here")
    for figure, value in measure(data_dir(), parser.parse_args().keep).items():
        print(f"{figure:70s} {value:8.3f}")


if __name__ == "__main__":
    main()
