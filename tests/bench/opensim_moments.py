"""OpenSim's inverse dynamics of a measured motion and measured forces: the truth that marker trials lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kincast.offline.truth import TruthForces
from kincast.streaming.results.storage import Storage, read_storage

CUTOFF_HZ = 6.0
_LOADS = """<OpenSimDocument Version="40000"><ExternalLoads name="feet"><objects>{feet}</objects>
<datafile>{file}</datafile></ExternalLoads></OpenSimDocument>"""
_FOOT = """<ExternalForce name="{side}"><applied_to_body>calcn_{side}</applied_to_body>
<force_expressed_in_body>ground</force_expressed_in_body><point_expressed_in_body>ground</point_expressed_in_body>
<force_identifier>{side}_v</force_identifier><point_identifier>{side}_p</point_identifier></ExternalForce>"""


def opensim_moments(model: Path, motion: Path, forces: TruthForces, folder: Path) -> Storage | None:
    """Generalised forces (``<coordinate>_moment``) of ``model`` moving as the OpenSim file ``motion`` says.

    The model and the file are one person's, in one ground frame (Y up) with the plates. Free vertical moments of the
    feet are left out. None where OpenSim refuses.
    """
    import opensim

    opensim.Logger.removeFileSink()  # no opensim.log where the benches run
    opensim.Logger.setLevelString("Off")
    folder.mkdir(parents=True, exist_ok=True)
    write_forces(forces, folder / "forces.mot")
    feet = "".join(_FOOT.format(side=side) for side in "rl")
    (folder / "loads.xml").write_text(_LOADS.format(feet=feet, file=folder / "forces.mot"))
    times = read_storage(motion).time_s
    tool = opensim.InverseDynamicsTool()
    tool.setModelFileName(str(model))
    tool.setCoordinatesFileName(str(motion))
    tool.setExternalLoadsFileName(str(folder / "loads.xml"))
    tool.setLowpassCutoffFrequency(CUTOFF_HZ)
    tool.setStartTime(max(times[0], forces.time_s[0]))
    tool.setEndTime(min(times[-1], forces.time_s[-1]))
    excluded = opensim.ArrayStr()
    excluded.append("Muscles")
    tool.setExcludedForces(excluded)
    tool.setResultsDir(str(folder))
    tool.setOutputGenForceFileName("id.sto")
    if not tool.run():
        return None
    return read_storage(folder / "id.sto")


def write_forces(forces: TruthForces, path: Path) -> None:
    """World forces and centres of pressure of both feet as an OpenSim file, at 200 Hz at most."""
    step = max(1, round(0.005 / float(np.median(np.diff(forces.time_s)))))
    columns = ["time"]
    values = [forces.time_s[::step]]
    for foot, side in enumerate("rl"):
        for name, vectors in (("v", forces.force), ("p", np.nan_to_num(forces.cop))):
            x, y, z = vectors[::step, foot].T
            columns += [f"{side}_{name}{axis}" for axis in "xyz"]
            values += [x, z, -y]
    table = np.stack(values, axis=1)
    head = f"forces\nversion=1\nnRows={len(table)}\nnColumns={len(columns)}\ninDegrees=yes\nendheader\n"
    rows = "\n".join("\t".join(f"{v:.6f}" for v in row) for row in table)
    path.write_text(head + "\t".join(columns) + "\n" + rows + "\n")
