"""A comparison as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kincast.offline.angle_errors import MAIN, AngleErrors
from kincast.offline.compare import Comparison
from kincast.offline.compare_difference import Difference
from kincast.offline.compare_lines import NOTE, difference_lines, reversed_names
from kincast.offline.event_errors import EventErrors
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
        yield from _angles(a)
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
        yield from difference_lines("force on the feet", "N", f.differences_N)
        if f.cop_ap_mm is not None:
            yield f"centre of pressure (mm RMSE)            ap {f.cop_ap_mm:5.1f}   ml {f.cop_ml_mm:5.1f}"
    if c.moments is not None:
        m = c.moments
        yield f"joint moments (% BW x height RMSE)      median {m.median_pct_bwh:5.2f}   mean {m.mean_pct_bwh:5.2f}   ({m.rows} rows)"
        yield from difference_lines("joint moments", "N m", m.differences_Nm)
    for kind, e in (c.events or {}).items():
        if e.median_abs_ms is None:
            yield f"events {kind:12s} matched {e.matched}, missed {e.missed}, extra {e.extra}"
        else:
            yield (
                f"events {kind:12s} median abs {e.median_abs_ms:5.1f} ms, bias {e.bias_ms:+6.1f} +- {e.sd_ms:.1f}, F1 {e.f1:.3f} "
                f"({e.matched} matched, {e.missed} missed, {e.extra} extra){_said(e)}"
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


def _said(e: EventErrors) -> str:
    """When a live run told of the events; nothing for results that were worked out afterwards."""
    if e.emitted_median_ms is None or e.emitted_max_ms is None or e.emitted_median_ms < 0:
        return ""
    return f", said after {e.emitted_median_ms:.0f} ms (max {e.emitted_max_ms:.0f})"


def _angles(a: AngleErrors) -> Iterator[str]:
    """One line per coordinate, the main ones first; where a file counts with the other sign, that is said."""
    found = {
        n: Difference(a.rows, e.mean_deg, e.mean_removed_deg, e.raw_deg, e.largest_deg, e.correlation)
        for n, e in a.by_coordinate.items()
    }
    yield NOTE
    yield from difference_lines("angles, main", "deg", {n: found[n] for n in MAIN if n in found})
    yield from difference_lines("angles, other", "deg", {n: d for n, d in found.items() if n not in MAIN})
    for name in reversed_names(found):
        yield f"  {name}: the two run against each other; the truth may count it with the other sign"


def _fits(fits: Mapping[str, CameraFit]) -> str:
    return "; ".join(f"{name} GC_5 {f.gc5:.2f}, {f.median_px:.1f} px" for name, f in fits.items())
