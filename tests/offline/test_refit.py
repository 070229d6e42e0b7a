"""The whole refit on a measured walk, and its pieces that need no recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kincast.offline.noise import tails
from kincast.offline.trajectory.bspline import Knots, through
from kincast.offline.trajectory.smoothing import smoothed, smoothed_by_need, smoothed_rates_gain


def test_tails_of_t_distributed_errors_are_found_whatever_their_scale() -> None:
    random = np.random.default_rng(0)
    for nu in (2.0, 8.0):
        normal, chi2 = random.normal(size=(20_000, 2)), random.chisquare(nu, size=20_000) / nu
        squared = np.sum(normal**2, axis=1) / chi2
        assert tails(3.7 * squared) == nu


def test_smoothing_keeps_slow_motion_with_its_derivatives_and_drops_fast() -> None:
    t_ns = np.arange(0, 4_000_000_000, 8_000_000)
    t = t_ns * 1e-9
    q = np.zeros((len(t), 41))
    q[:, 3] = 1.0
    q[:, 7] = np.sin(2 * np.pi * t)
    q[:, 8] = 0.05 * np.sin(2 * np.pi * 20.0 * t)
    spline = through(Knots.covering(0, int(t_ns[-1]), 0.01, 3), t_ns, q)
    seen = np.ones(len(t), bool)
    motion = smoothed(spline, 0, int(t_ns[-1]), 5.0, t_ns, seen).motion(t_ns[50:-50])
    slow = 2 * np.pi * t[50:-50]
    assert np.abs(motion.q[:, 7] - np.sin(slow)).max() < 0.01
    assert np.abs(motion.a[:, 6] + (2 * np.pi) ** 2 * np.sin(slow)).max() < 0.5
    assert np.abs(motion.q[:, 8]).max() < 0.05 * 0.025


def test_a_person_who_stands_is_smoothed_more_and_one_who_moves_is_not() -> None:
    t_ns = np.arange(0, 6_000_000_000, 8_000_000)
    t = t_ns * 1e-9
    noise = 0.001 * np.random.default_rng(5).normal(size=len(t)).cumsum() * np.exp(-((t - 3.0) ** 2))
    q = np.zeros((len(t), 41))
    q[:, 3] = 1.0
    q[:, 0] = noise + np.where(t > 4.0, 0.05 * np.sin(2 * np.pi * 2.0 * (t - 4.0)), 0.0)  # stands, then sways
    spline = through(Knots.covering(0, int(t_ns[-1]), 0.01, 3), t_ns, q)
    span = (0, int(t_ns[-1]), 5.0, t_ns, np.ones(len(t), bool))
    plain, need = (f(spline, *span).motion(t_ns) for f in (smoothed, smoothed_by_need))
    standing, moving = t < 3.5, (t > 4.5) & (t < 5.5)
    assert need.a[standing, 0].std() < 0.5 * plain.a[standing, 0].std()
    np.testing.assert_allclose(need.a[moving, 0], plain.a[moving, 0], atol=0.01 * plain.a[moving, 0].max())


def test_what_smoothing_leaves_of_persistent_noise() -> None:
    velocity, acceleration = smoothed_rates_gain(5.0, 0.075)
    assert 5.0 < velocity < 25.0
    assert acceleration > 10.0 * velocity
    assert smoothed_rates_gain(3.0, 0.075)[1] < acceleration


@pytest.mark.data
@pytest.mark.slow
def test_a_measured_walk_is_refitted(data_dir: Path, tmp_path: Path) -> None:
    import json

    from kincast.deploy.cli.refit import Refit
    from kincast.offline.compare import compare
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source

    case = data_dir / "multiview" / "walking1"
    path, out = tmp_path / "walk.mcap", tmp_path / "out"
    mass_kg = json.loads((case / "truth" / "subject.json").read_text())["mass_kg"]
    write_recording(import_source(case, ImportOptions(mass_kg=mass_kg)), path)
    assert Refit((path,), out).run() == 0
    found = compare(out, case)
    assert found.angles is not None
    assert found.angles.median_mean_removed_deg < 2.0
    assert found.forces is not None
    assert found.forces.vertical_pct_bw < 9.0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["findings"] == []
    assert summary["gc"]["5"] > 0.6
