"""What is known so far while a person's recordings are refitted, and the steps that improve it in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body import BodyParameters
from kincast.models.body_fit import fit_body
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.models.rough_start import GENERIC_HEIGHT_M
from kincast.offline.joint_body import FittedRecording, SharperThanModel, joint_step
from kincast.offline.noise import NoiseEstimate, assumed_noise, learned_noise, with_tails
from kincast.offline.refit_config import RefitConfig
from kincast.offline.refitted import RefittedTrial, Trial
from kincast.offline.tracked import tracked_rows
from kincast.offline.trajectory.block_band import NotPositiveDefinite
from kincast.offline.trajectory.interface import FittedTrajectory, Trajectory
from kincast.offline.trajectory.linearise import Linearisation
from kincast.offline.trajectory.posture import learned_posture
from kincast.offline.trajectory.problem import FitProblem, MotionPrior
from kincast.offline.trajectory.spline import SplineFit, SplineFitter
from kincast.offline.view_bias import ViewBias, learned_view_bias, without_bias

POSTURE_STEP_S = 0.033


@dataclass
class _TrialState:
    trial: Trial
    noise: NoiseEstimate
    bias: ViewBias
    prior: MotionPrior
    at: Trajectory
    problem: FitProblem | None = None
    fit: FittedTrajectory | None = None


class RefitState:
    """The body, and per recording what the detector errs, how the person moves, and the trajectory."""

    def __init__(self, body: BodyParameters, trials: Sequence[Trial], config: RefitConfig) -> None:
        self.body = body
        self._config = config
        self._flat_pitch: Float64[np.ndarray, "2"] | None = None
        self._borders: Sequence[Float64[np.ndarray, "border border"] | None] = [None] * len(trials)
        self._trials = [
            _TrialState(
                t,
                assumed_noise(t.pictures, len(t.observations.cameras)),
                ViewBias.none(t.pictures.sites),
                config.prior,
                t.live,
            )
            for t in trials
        ]

    def fit_trajectories(self) -> None:
        """Every recording's most likely trajectory, all else held."""
        for state in self._trials:
            state.problem = self._seen_through(state)
            state.fit = self._config.fitter.fit(state.problem, self.body, state.at, self._config.iterations)
            state.at = state.fit.trajectory

    def learn(self) -> None:
        """What the residuals and the motion say of detector and posture."""
        for state in self._trials:
            assert state.problem is not None
            assert state.fit is not None
            if state.trial.observations.cameras:
                if self._config.view_bias:
                    state.bias = self._learned_bias(state)
                state.noise = learned_noise(state.problem, state.fit.errors, state.noise)
                state.prior = with_tails(state.prior, state.noise)
            if self._config.posture:
                state.prior = self._learned_prior(state)

    def fit_body_again(self) -> None:
        """The body from all recordings together; kept as it is where that fails."""
        found = self._body_from_trajectories()
        if found is not None:
            self.body = found

    def _body_from_trajectories(self) -> BodyParameters | None:
        recordings = [self._recording(state) for state in self._trials]
        height_m = next((s.trial.header.height_m for s in self._trials if s.trial.header.height_m), None)
        config = self._config.body
        try:
            ratio = None if height_m is None else float(height_m) / GENERIC_HEIGHT_M
            joint = joint_step(recordings, self.body, self._flat_pitch, ratio, config)
        except SharperThanModel:
            seen = [self._corrected(state) for state in self._trials]
            try:
                mass_kg = float(self.body.mass_kg)
                found = fit_body(seen, mass_kg=mass_kg, height_m=height_m, config=config).parameters
            except UserMistakeError:
                return None
            self._borders = [None] * len(seen)
            return with_shape_of(self.body, found)
        except (np.linalg.LinAlgError, NotPositiveDefinite, UserMistakeError):
            return None
        self._flat_pitch, self._borders = joint.flat_pitch, joint.borders
        return joint.parameters

    def fitted(self) -> tuple[RefittedTrial, ...]:
        """The result so far."""
        out = []
        for state, border in zip(self._trials, self._borders, strict=True):
            assert state.problem is not None
            assert state.fit is not None
            tracked = tracked_rows(
                state.problem.pictures,
                state.fit.errors,
                state.problem.information,
                state.trial.live.t_ns,
            )
            out.append(RefittedTrial(state.trial, state.problem, state.fit, state.noise, tracked, border))
        return tuple(out)

    # ------------------------------------------------------------------ steps

    def _raw(self, state: _TrialState) -> FitProblem:
        observations = state.trial.observations
        return FitProblem(
            observations.keypoint_set,
            observations.cameras,
            state.trial.pictures,
            state.noise.information,
            state.prior,
        )

    def _seen_through(self, state: _TrialState) -> FitProblem:
        raw = self._raw(state)
        if not raw.cameras or not state.bias.value.any():
            return raw
        return without_bias(raw, state.bias, state.at.motion(raw.pictures.t_ns).q)

    def _learned_bias(self, state: _TrialState) -> ViewBias:
        assert state.fit is not None
        raw = self._raw(state)
        motion = state.fit.trajectory.motion(raw.pictures.t_ns)
        return learned_view_bias(raw, Linearisation(raw, self.body), state.fit.errors, motion.q, motion.v)

    def _learned_prior(self, state: _TrialState) -> MotionPrior:
        assert state.fit is not None
        assert state.problem is not None
        t_ns = _evenly(state.problem)
        seen = tracked_rows(state.problem.pictures, state.fit.errors, state.problem.information, t_ns)
        if not seen.any():
            return state.prior
        posture = learned_posture(
            state.fit.trajectory.motion(t_ns),
            state.fit.covariance(t_ns),
            seen.astype(np.float64),
            self._config.learning,
        )
        return replace(state.prior, posture=posture)

    def _recording(self, state: _TrialState) -> FittedRecording:
        assert state.problem is not None
        assert state.fit is not None
        fit = state.fit
        if not isinstance(fit, SplineFit):  # a representation without normal equations of its own
            fit = SplineFitter().fit(state.problem, self.body, fit.trajectory, 0)
        return FittedRecording(state.trial.observations, state.problem, fit)

    def _corrected(self, state: _TrialState) -> Observations:
        """What was seen, the detector's view bias taken off."""
        assert state.problem is not None
        observations, pictures = state.trial.observations, state.problem.pictures
        if not observations.cameras:
            return observations
        keypoints = observations.keypoints.astype(np.float64).copy()
        instant, slot = np.nonzero(pictures.row >= 0)
        row, camera = pictures.row[instant, slot], pictures.camera[instant, slot]
        seen = pictures.confidence[instant, slot] > 0
        keypoints[row, camera, :, 2] *= seen
        keypoints[row, camera, :, :2] = pictures.pixels[instant, slot] * seen[..., None]
        return replace(observations, keypoints=keypoints)


def with_shape_of(body: BodyParameters, found: BodyParameters) -> BodyParameters:
    """The person's mass, support and factors on the shape of ``found``."""
    return replace(
        found,
        mass_kg=body.mass_kg,
        mass_sd_kg=body.mass_sd_kg,
        external_support=body.external_support,
        mass_factors=body.mass_factors,
    )


def _evenly(problem: FitProblem) -> Int64[np.ndarray, " time"]:
    duration_s = (problem.last_ns - problem.first_ns) * 1e-9
    count = max(20, int(duration_s / POSTURE_STEP_S))
    grid: Float64[np.ndarray, " time"] = np.linspace(problem.first_ns, problem.last_ns, count)
    return grid.astype(np.int64)
