"""A comparison as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kincast.offline.angle_errors import MAIN
from kincast.offline.compare import Comparison
from kincast.offline.pose2sim_baseline import CameraFit


def table(c: Comparison) -> str:
    """The figures, one per line; what could not be compared is said so."""
    return "\n".join(_lines(c))


def _lines(c: Comparison) -> Iterator[str]:
    shares = ", ".join(f"{name} {share:.0%}" for name, share in c.valid_share.items())
    yield f"{c.trial}: {c.rows} rows; valid: {shares or 'unknown'}"
    if c.angles is not None:
        a = c.angles
        yield f"angles, median of {len([n for n in MAIN if n in a.by_coordinate])} (deg RMSE)        mean removed {a.median_mean_removed_deg:6.2f}   raw {a.median_raw_deg:6.2f}"
        if c.angles_where_valid is not None and c.angles_where_valid.rows < a.rows:
            v = c.angles_where_valid
            yield (
                f"  where said to be valid ({v.rows} of {a.rows} rows)    mean removed {v.median_mean_removed_deg:6.2f}"
                f"   raw {v.median_raw_deg:6.2f}"
            )
        for name, error in a.by_coordinate.items():
            mark = " " if name in MAIN else "(other)"
            yield f"  {name:20s} {mark:8s}              {error.mean_removed_deg:6.2f}       {error.raw_deg:6.2f}"
        if a.ece_within is not None:
            yield f"interval calibration (ECE)              within {a.ece_within:6.3f}   total {a.ece_total:6.3f}   median sd within {a.median_sd_within_deg:.2f} deg"
    elif not c.baselines:
        yield "angles: no common rows"
    if c.forces is not None:
        f = c.forces
        yield f"force per foot (% BW RMSE)              vertical {f.vertical_pct_bw:5.2f}   ap {f.ap_pct_bw:5.2f}   ml {f.ml_pct_bw:5.2f}   ({sum(f.rows.values())} rows, vertical bias {f.vertical_bias_pct_bw:+.2f})"
        if not f.sight_measured:
            yield "  (when the plates saw the feet is guessed from the load they carry)"
        if c.forces_where_valid is not None:
            v = c.forces_where_valid
            yield (
                f"  where said to be valid                vertical {v.vertical_pct_bw:5.2f}   ap {v.ap_pct_bw:5.2f}"
                f"   ml {v.ml_pct_bw:5.2f}   ({sum(v.rows.values())} rows)"
            )
        if f.cop_ap_mm is not None:
            yield f"centre of pressure (mm RMSE)            ap {f.cop_ap_mm:5.1f}   ml {f.cop_ml_mm:5.1f}"
    if c.moments is not None:
        m = c.moments
        yield f"joint moments (% BW x height RMSE)      median {m.median_pct_bwh:5.2f}   mean {m.mean_pct_bwh:5.2f}   ({m.rows} rows)"
        for name, value in m.by_coordinate.items():
            yield f"  {name:30s}        {value:6.2f}"
    for kind, e in (c.events or {}).items():
        if e.median_abs_ms is None:
            yield f"events {kind:12s} matched {e.matched}, missed {e.missed}, extra {e.extra}"
        else:
            yield (
                f"events {kind:12s} median abs {e.median_abs_ms:5.1f} ms, bias {e.bias_ms:+6.1f} +- {e.sd_ms:.1f}, F1 {e.f1:.3f} "
                f"({e.matched} matched, {e.missed} missed, {e.extra} extra), said after {e.emitted_median_ms:.0f} ms (max {e.emitted_max_ms:.0f})"
            )
    if c.strides is not None:
        s = c.strides
        figures = ", ".join(
            f"{name.removesuffix('_m').replace('_', ' ')} {v:.1f} ({s.bias_mm[name]:+.1f})"
            for name, v in s.median_abs_mm.items()
        )
        yield f"strides ({s.strides}), median abs error and bias (mm): {figures}"
    if not c.baselines:
        absent = {
            "forces": (c.forces, "no plates with a foot on them"),
            "joint moments": (c.moments, "no inverse dynamics at the truth, or mass or height unknown"),
            "events": (c.events, "no events and no plates at the truth"),
            "strides": (
                c.strides,
                "no stride of ours has both strikes, and the other foot's between, at the truth",
            ),
        }
        for what, (figures, why) in absent.items():
            if figures is None:
                yield f"{what}: not compared ({why})"
    if c.reprojection:
        yield f"reprojection: {_fits(c.reprojection)}"
    if c.markers_mm is not None:
        yield f"markers: median distance to the model {c.markers_mm:.1f} mm"
    for method, fits in c.baselines.items():
        yield f"common keypoints, {method}: {_fits(fits)}"


def _fits(fits: Mapping[str, CameraFit]) -> str:
    return "; ".join(f"{name} GC_5 {f.gc5:.2f}, {f.median_px:.1f} px" for name, f in fits.items())
