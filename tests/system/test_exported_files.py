"""Exports opened by programs that are not ours: OpenSim's readers of MOT, STO and TRC (C3D: tests/offline/test_export.py)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kincast.offline.export import ExportOptions, export
from kincast.streaming.results.session import KineticsSd
from tests.offline.written_session import MUSCLES, SITES, Walk, results, write

opensim = pytest.importorskip("opensim")
opensim.Logger.removeFileSink()

SERIES = {
    "kinematics": "kinematics.mot",
    "kinematics_sd": "kinematics_sd.sto",
    "grf": "grf.mot",
    "grf_sd": "grf_sd.sto",
    "torques": "torques.sto",
    "torques_sd": "torques_sd.sto",
    "residuals": "residuals.sto",
    "activations": "activations.sto",
    "activations_sd": "activations_sd.sto",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = results(Walk())
    n = len(session.t_ns)
    rng = np.random.default_rng(0)
    sd = KineticsSd(*(rng.uniform(0.1, 9.0, shape) for shape in ((n, 40), (n, 2, 3), (n, 2, 3), (n, 2, 3))))
    residual = rng.normal(0.0, 20.0, (n, 6))
    return write(
        tmp_path_factory.mktemp("walk"),
        Walk(),
        dataclasses.replace(session, kinetics_sd=sd, residual=residual),
    )


def plain(path: Path) -> tuple[list[str], np.ndarray]:
    """Column names and numbers of a storage file, by hand."""
    lines = path.read_text().split("\n")
    top = lines.index("endheader") + 1
    return lines[top].split("\t"), np.array([line.split("\t") for line in lines[top + 1 :] if line], float)


def in_opensim(path: Path) -> tuple[list[str], np.ndarray]:
    table = opensim.TimeSeriesTable(str(path))
    values = np.column_stack([table.getIndependentColumn(), table.getMatrix().to_numpy()])
    return ["time", *table.getColumnLabels()], values


@pytest.mark.parametrize("content", SERIES)
@pytest.mark.parametrize("kind", ["mot", "sto"])
def test_opensim_reads_every_series(content: str, kind: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / f"x.{kind}"
    export(folder, output, ExportOptions(kind, content))  # type: ignore[arg-type]
    names, values = plain(folder / SERIES[content])
    got_names, got = in_opensim(output)
    assert got_names == names
    np.testing.assert_allclose(got, values, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("content", ["kinematics", "grf"])
def test_opensims_older_reader_takes_them_too(content: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.mot"
    export(folder, output, ExportOptions("mot", content, rate_hz=50.0))  # type: ignore[arg-type]
    storage = opensim.Storage(str(output))
    names, values = plain(folder / SERIES[content])
    labels = storage.getColumnLabels()
    assert [labels.get(i) for i in range(labels.getSize())] == names
    assert storage.isInDegrees() == (content == "kinematics")
    assert storage.getLastTime() - storage.getFirstTime() == pytest.approx(
        np.floor(50 * np.ptp(values[:, 0])) / 50, abs=1e-6
    )
    row = opensim.ArrayDouble(0.0, len(names) - 1)  # it writes into the room it is given
    storage.getDataAtTime(1.0, len(names) - 1, row)
    expected = [np.interp(1.0, values[:, 0], column) for column in values[:, 1:].T]
    np.testing.assert_allclose([row.get(i) for i in range(row.getSize())], expected, rtol=1e-6, atol=1e-6)


def test_opensim_reads_the_markers(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path / "x.trc", ExportOptions("trc"))
    table = opensim.TimeSeriesTableVec3(str(tmp_path / "x.trc"))
    assert list(table.getColumnLabels()) == list(SITES)
    assert table.getTableMetaDataString("Units") == "m"
    world = results(Walk()).sites  # Z up; OpenSim's y is our z, its z our -y
    for i, name in enumerate(SITES):
        column = table.getDependentColumn(name)
        got = np.array([[column[k][a] for a in range(3)] for k in (0, 100, len(world) - 1)])
        expected = world[[0, 100, len(world) - 1], i][:, [0, 2, 1]] * [1.0, 1.0, -1.0]
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_csv_holds_what_the_folder_holds(folder: Path, tmp_path: Path) -> None:
    """Every number of every time series under its own name, read without our readers."""
    export(folder, tmp_path / "x.csv", ExportOptions("csv"))
    table = np.genfromtxt(tmp_path / "x.csv", delimiter=",", names=True, deletechars="")
    assert table.dtype.names is not None
    units = {"pelvis_tx": "m", "pelvis_ty": "m", "pelvis_tz": "m"}
    found = 0
    for content, name in SERIES.items():
        names, values = plain(folder / name)
        for column, series in zip(names[1:], values[:, 1:].T, strict=True):
            bare = column.removesuffix("_within")
            unit = units.get(bare, "deg")
            within = "_within" if bare != column else ""
            own = {
                "kinematics": f"{column}_{unit}",
                "kinematics_sd": f"{bare}_sd{within}_{unit}",
                "torques": f"{column}_{'N' if column.endswith('_force') else 'Nm'}",
                "residuals": f"pelvis_residual_{column}_{'N' if column.startswith('F') else 'Nm'}",
                "activations": f"activation_{column}",
                "activations_sd": f"activation_{column}_sd",
            }.get(content)
            if own is None:
                of = "Nm" if "torque" in column else "N" if column[-2] == "v" else "m"
                of = ("N" if column.endswith("_force") else "Nm") if content == "torques_sd" else of
                own = f"{column}_sd_{of}" if content.endswith("_sd") else f"{column}_{of}"
            np.testing.assert_allclose(table[own], series, rtol=1e-7, atol=1e-8, err_msg=own)
            found += 1
    assert found == 40 + 80 + 18 + 18 + 40 + 40 + 6 + 2 * len(MUSCLES)
