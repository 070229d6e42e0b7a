"""A body made in the other process is the body that is built here."""

from __future__ import annotations

import time
from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest

from kincast.models.body import Body, BodyParameters
from kincast.models.observations import Observations
from kincast.streaming.body_worker import BodyWorker, MadeBody
from kincast.streaming.session_body import built_for_session
from tests.streaming.swaying_person import session


def model_bytes(body: Body, path: Path) -> bytes:
    mujoco.mj_saveModel(body.mj_model, str(path))
    return path.read_bytes()


def test_a_body_made_aside_equals_the_one_built_here_bit_for_bit(tmp_path: Path) -> None:
    header = session()
    parameters = BodyParameters(scales={"overall": 1.03, "thigh_r": 0.97}, mass_kg=60.0)
    worker = BodyWorker(header, muscles=True)
    try:
        worker.build("no body.json")
        refused = taken(worker)
        worker.build(parameters.to_json())
        assert worker.busy
        made = taken(worker)
    finally:
        worker.stop()
    assert "not valid JSON" in refused.failure
    assert made.failure == ""
    assert BodyParameters.from_json(made.body_json) == BodyParameters.from_json(parameters.to_json())
    body, here = made.body(), built_for_session(parameters, header, muscles=True)
    assert body.parameters.mass_kg == 70.0, "the session's measured mass wins"
    assert body.parameters.sha256 == here.parameters.sha256
    assert body.skeleton == here.skeleton
    assert body.muscles == here.muscles
    assert model_bytes(body, tmp_path / "a.mjb") == model_bytes(here, tmp_path / "b.mjb")
    for one, other in zip(jax.tree.leaves(body.values), jax.tree.leaves(here.values), strict=True):
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def taken(worker: BodyWorker) -> MadeBody:
    until_s = time.monotonic() + 120
    while time.monotonic() < until_s:
        if (made := worker.take()) is not None:
            return made
        time.sleep(0.02)
    pytest.fail("the worker gave nothing")


def test_a_worker_that_dies_or_is_stopped_at_work_is_told_and_holds_nothing_up() -> None:
    header = session()
    worker = BodyWorker(header, muscles=False)
    much = Observations(
        header.keypoint_set,
        header.cameras,
        np.zeros((1200, 4), np.int64),
        np.zeros((1200, 4, 26, 3), np.float32),
    )
    worker.estimate(much)  # more than a pipe holds
    worker.stop()
    assert "has ended" in taken(worker).failure
