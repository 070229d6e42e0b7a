"""``kincast body``: body calibration alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Body:
    """Estimate a person's body (8 scales, one offset per keypoint) from recordings of them: stand, a few steps."""

    recordings: Positional[tuple[Path, ...]]
    """One or several recordings (.mcap) of the same person."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """The body file to write (body.json)."""

    def run(self) -> int:
        from kincast.models.body_fit import fit_body
        from kincast.offline.observe import observe

        headers, observations = zip(*(observe(path) for path in self.recordings), strict=True)
        known = [header.mass_kg for header in headers if header.mass_kg is not None]
        heights = [header.height_m for header in headers if header.height_m is not None]
        found = fit_body(
            observations,
            mass_kg=known[0] if known else None,
            height_m=heights[0] if heights else None,
            external_support=headers[0].external_support,
        )
        parameters = found.parameters
        self.output.write_text(parameters.to_json() + "\n", encoding="utf-8")
        print(f"{self.output}: {found.median_distance_m * 1000:.1f} mm median distance to the keypoints")
        print(f"  mass {parameters.mass_kg:.1f} kg (sd {parameters.mass_sd_kg:.1f})")
        for name, scale in parameters.scales.items():
            print(f"  {name:14s} {scale:6.3f}  sd {parameters.scales_sd.get(name, float('nan')):.3f}")
        return 0
