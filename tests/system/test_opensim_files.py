"""OpenSim opens our files, and its inverse dynamics understands our motion and our forces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kincast.models.body.parameters import BodyParameters
from kincast.models.coordinates import COORDINATES
from kincast.offline.truth import read_truth
from kincast.streaming.messages import SessionHeader
from kincast.streaming.results.session import RunFacts, SessionResults
from kincast.streaming.results.storage import read_storage
from kincast.streaming.results.writer import write_results

opensim = pytest.importorskip("opensim")
opensim.Logger.removeFileSink()

SITES = ("RHeel", "LHeel")
MUSCLES = ("soleus_r", "soleus_l")
EXTERNAL_LOADS = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40000"><ExternalLoads name="grf"><objects>{feet}</objects><datafile>{file}</datafile>
</ExternalLoads></OpenSimDocument>"""
FOOT = """<ExternalForce name="{side}"><applied_to_body>{body}</applied_to_body>
<force_expressed_in_body>ground</force_expressed_in_body><point_expressed_in_body>ground</point_expressed_in_body>
<force_identifier>ground_force_{side}_v</force_identifier><point_identifier>ground_force_{side}_p</point_identifier>
<torque_identifier>ground_torque_{side}_</torque_identifier></ExternalForce>"""


def results(t_ns: np.ndarray, **changes: object) -> SessionResults:
    n = len(t_ns)
    fields: dict[str, object] = {
        "t_ns": t_ns,
        "coordinates": np.zeros((n, 40)),
        "coordinates_sd": np.ones((n, 40)),
        "coordinates_sd_within": np.ones((n, 40)),
        "torques": np.zeros((n, 40)),
        "force": np.zeros((n, 2, 3)),
        "cop": np.zeros((n, 2, 3)),
        "free_torque": np.zeros((n, 2, 3)),
        "residual": np.zeros((n, 6)),
        "residual_pct_bw": np.zeros(n),
        "activations": np.full((n, 2), 0.1),
        "activations_sd": np.full((n, 2), 0.01),
        "kinematics_valid": np.ones(n, bool),
        "kinetics_valid": np.ones(n, bool),
        "kinetics_known": np.ones(n, bool),
        "tracked": np.ones(n, bool),
        "sites": np.random.default_rng(0).uniform(0.1, 1, (n, 2, 3)),
        "site_names": SITES,
        "muscles": MUSCLES,
    }
    return SessionResults(**(fields | changes))  # type: ignore[arg-type]


def write(folder: Path, session: SessionResults, mass_kg: float = 70.0) -> Path:
    header = SessionHeader("s", "p", "HALPE_26", (), start_ns=int(session.t_ns[0]))
    write_results(folder, session, RunFacts(header, BodyParameters(mass_kg=mass_kg), (), "optimisation", ""))
    return folder


def test_every_file_loads(tmp_path) -> None:
    t_ns = 10**9 + np.arange(30, dtype=np.int64) * 16_666_667
    session = results(t_ns)
    session.coordinates[:] = np.random.default_rng(1).normal(0, 10, session.coordinates.shape)
    write(tmp_path, session)
    storages = sorted([*tmp_path.glob("*.mot"), *tmp_path.glob("*.sto")])
    assert len(storages) == 7
    for path in storages:
        ours = read_storage(path)
        table = opensim.TimeSeriesTable(str(path))
        assert tuple(table.getColumnLabels()) == ours.columns
        assert table.getNumRows() == 30
        np.testing.assert_allclose(table.getIndependentColumn(), ours.time_s, atol=1e-9)
        np.testing.assert_allclose(table.getMatrix().to_numpy(), ours.values, rtol=1e-6, atol=1e-9)
        in_degrees = table.getTableMetaDataAsString("inDegrees")
        assert in_degrees == ("yes" if path.name in ("kinematics.mot", "kinematics_sd.sto") else "no")
        assert opensim.Storage(str(path)).getSize() == 30
    markers = opensim.TimeSeriesTableVec3(str(tmp_path / "markers.trc"))
    assert tuple(markers.getColumnLabels()) == SITES
    assert markers.getTableMetaDataAsString("Units") == "m"
    row = markers.getRowAtIndex(3)
    for i in range(2):
        world = session.sites[3, i]
        np.testing.assert_allclose(row[i].to_numpy(), [world[0], world[2], -world[1]], atol=1e-6)
    data = opensim.MarkerData(str(tmp_path / "markers.trc"))
    assert data.getNumMarkers() == 2
    assert data.getNumFrames() == 30


def inverse_dynamics(
    folder: Path, model: str, feet: dict[str, str], times: tuple[float, float], cutoff_hz: float
) -> dict[str, np.ndarray]:
    """OpenSim's generalised forces for kinematics.mot and grf.mot of a results folder."""
    loads = folder / "loads.xml"
    text = "".join(FOOT.format(side=side, body=body) for side, body in feet.items())
    loads.write_text(EXTERNAL_LOADS.format(feet=text, file=folder / "grf.mot"))
    tool = opensim.InverseDynamicsTool()
    tool.setModelFileName(model)
    tool.setCoordinatesFileName(str(folder / "kinematics.mot"))
    tool.setExternalLoadsFileName(str(loads))
    tool.setLowpassCutoffFrequency(cutoff_hz)
    tool.setStartTime(times[0])
    tool.setEndTime(times[1])
    exclude = opensim.ArrayStr()
    exclude.append("Muscles")
    tool.setExcludedForces(exclude)
    tool.setResultsDir(str(folder))
    tool.setOutputGenForceFileName("id_opensim.sto")
    assert tool.run()
    table = read_storage(folder / "id_opensim.sto")
    return {name: table.column(name) for name in table.columns} | {"time": table.time_s}


def pelvis_model(path: Path, mass_kg: float) -> None:
    """One body on the six pelvis coordinates of our files, and a weightless foot on each hip: enough for statics."""
    model = opensim.Model()
    model.setName("pelvis")
    model.setGravity(opensim.Vec3(0, -9.80665, 0))
    pelvis = opensim.Body("pelvis", mass_kg, opensim.Vec3(0), opensim.Inertia(1, 1, 1))
    model.addBody(pelvis)
    transform = opensim.SpatialTransform()
    axes = [(0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    for i, name in enumerate(COORDINATES[:6]):
        axis = transform.updTransformAxis(i)
        labels = opensim.ArrayStr()
        labels.append(name)
        axis.setCoordinateNames(labels)
        axis.setAxis(opensim.Vec3(*axes[i]))
        axis.set_function(opensim.LinearFunction())
    joint = opensim.CustomJoint(
        "ground_pelvis",
        model.getGround(),
        opensim.Vec3(0),
        opensim.Vec3(0),
        pelvis,
        opensim.Vec3(0),
        opensim.Vec3(0),
        transform,
    )
    model.addJoint(joint)
    for side in "rl":
        foot = opensim.Body(f"calcn_{side}", 1e-6, opensim.Vec3(0), opensim.Inertia(1e-6, 1e-6, 1e-6))
        model.addBody(foot)
        pin = opensim.PinJoint(
            f"hip_{side}", pelvis, opensim.Vec3(0), opensim.Vec3(0), foot, opensim.Vec3(0), opensim.Vec3(0)
        )
        pin.updCoordinate().setName(f"hip_flexion_{side}")
        model.addJoint(pin)
    model.finalizeConnections()
    model.printToXML(str(path))


def test_statics_of_a_turned_person_in_opensim(tmp_path) -> None:
    """Body weight under one foot, free torque, a person turned by 100 deg: OpenSim's residuals are ours by hand."""
    n, mass, weight = 40, 70.0, 70.0 * 9.80665
    session = results(10**9 + np.arange(n, dtype=np.int64) * 16_666_667)
    session.coordinates[:, :6] = [5.0, -3.0, 100.0, 1.0, 0.9, -2.0]
    session.force[:, 0] = [30.0, -20.0, weight]
    session.cop[:, 0] = [1.1, 2.05, 0.0]  # world; the pelvis stands at (1, 2, 0.9)
    session.free_torque[:, 0] = [0, 0, 4.0]
    write(tmp_path, session)
    pelvis_model(tmp_path / "pelvis.osim", mass)
    got = inverse_dynamics(
        tmp_path, str(tmp_path / "pelvis.osim"), {"r": "calcn_r", "l": "calcn_l"}, (0.0, 0.6), -1
    )
    # the pelvis needs what gravity and ground leave over: force 0 - (30, weight, 20) + (0, weight, 0)
    np.testing.assert_allclose(got["pelvis_tx_force"], -30.0, atol=1e-3)
    np.testing.assert_allclose(got["pelvis_ty_force"], 0.0, atol=2e-2)
    np.testing.assert_allclose(got["pelvis_tz_force"], -20.0, atol=1e-3)
    arm, force = np.array([0.1, 0.05, -0.9]), session.force[0, 0]
    moment = -(np.cross(arm, force) + np.array([0, 0, 4.0]))  # world, about the pelvis origin
    ground = np.array([moment[0], moment[2], -moment[1]])
    np.testing.assert_allclose(got["pelvis_tilt_moment"], ground[2], atol=2e-2)
    tilt = np.deg2rad(5.0)
    np.testing.assert_allclose(got["pelvis_list_moment"], ground @ [np.cos(tilt), np.sin(tilt), 0], atol=2e-2)


@pytest.mark.data
def test_inverse_dynamics_of_a_real_walk(data_dir, tmp_path) -> None:
    """Optical motion and plates through our files give the moments OpenSim found from the originals."""
    place = data_dir / "multiview" / "walkingTS2"  # its world is OpenSim's, stood up and not turned
    truth = read_truth(place, "")
    assert truth.forces is not None
    assert truth.moments is not None
    clock = truth.forces.time_s[
        (truth.forces.time_s >= truth.motion.time_s[0]) & (truth.forces.time_s <= truth.motion.time_s[-1])
    ]
    rows = np.searchsorted(truth.forces.time_s, clock)
    session = results(np.round(clock * 1e9).astype(np.int64))
    for i, name in enumerate(COORDINATES):
        if name in truth.motion.columns:
            session.coordinates[:, i] = truth.motion.at(clock, [name])[:, 0]
    session.force[:] = truth.forces.force[rows]
    session.cop[:] = np.nan_to_num(truth.forces.cop[rows])
    # truth's world has the plates at z = 0, the model's ground 6 mm higher (subject.json)
    session.cop[..., 2] += 0.006 * (session.force[..., 2] > 0)
    write(tmp_path, session, 62.6)
    model = str(data_dir / "opencap_subject4_markers/Models/optimized_scale_and_markers.osim")
    got = inverse_dynamics(
        tmp_path,
        model,
        {"r": "calcn_r", "l": "calcn_l"},
        (float(clock[0] - clock[0]), float(clock[-1] - clock[0])),
        6.0,
    )
    middle = (got["time"] > 0.15) & (got["time"] < got["time"][-1] - 0.15)
    for joint in ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle"):
        for side in "rl":
            name = f"{joint}_{side}_moment"
            expected = truth.moments.at(got["time"] + clock[0], [name])[:, 0]
            rms = np.sqrt(np.mean((got[name] - expected)[middle] ** 2))
            assert rms < 0.02 * np.abs(expected[middle]).max() + 0.5, (
                name,
                rms,
                np.abs(expected[middle]).max(),
            )
