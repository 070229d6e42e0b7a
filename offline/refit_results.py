"""A refitted trial as the rows of a results folder."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from kincast.models.body import Body, log_scales
from kincast.models.coordinates import COORDINATES
from kincast.models.pose_fit import BatchKinematics
from kincast.models.pressure_sd import PressureError, pressure_sd
from kincast.offline.gait_sd import strides_with_posterior_sd
from kincast.offline.posterior import spread_of
from kincast.offline.refit_kinetics import gait_of, kinetics_rows, kinetics_table, row_flags
from kincast.offline.refitted import RefittedTrial
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from kincast.offline.trajectory.smoothing import smoothed_by_need, smoothed_rates_gain
from kincast.streaming.kinetics_config import KineticsConfig
from kincast.streaming.pose_stream import MAX_SD_DEG
from kincast.streaming.results.pelvis_angles import file_coordinates
from kincast.streaming.results.session import KineticsSd, SessionResults

KINETICS_CUTOFF_HZ = 5.0
"""Least force and moment errors on refitted and on error-free walks alike (3.5, 5, 7, 10 Hz compared)."""
_JUDGED = [
    COORDINATES.index(f"{name}_{side}")
    for side in ("r", "l")
    for name in ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle")
]


def session_results(refitted: RefittedTrial, body: Body, config: KineticsConfig) -> SessionResults:
    """Rows at the snapshots of the recording: kinematics, kinetics, gait, every number finite."""
    trial = refitted.trial
    t_ns = trial.live.t_ns
    motion = refitted.fit.trajectory.motion(t_ns)
    covariance = refitted.fit.covariance(t_ns)
    spread = spread_of(refitted, body, motion, covariance)
    kinetics, muscles = kinetics_rows(
        body,
        motion_for_kinetics(refitted),
        rates_for_kinetics(refitted, covariance),
        refitted.tracked,
        trial.header,
        config,
    )
    table = kinetics_table(kinetics, len(muscles))
    gait = gait_of(body, motion, refitted.tracked, kinetics, trial.observations, trial.header)
    known, kinetics_valid = row_flags(kinetics)
    precise = spread.within[:, _JUDGED].max(axis=1) <= MAX_SD_DEG
    return SessionResults(
        t_ns=t_ns,
        coordinates=file_coordinates(motion.q),
        coordinates_sd=spread.total,
        coordinates_sd_within=spread.within,
        kinematics_valid=refitted.tracked & precise,
        kinetics_valid=kinetics_valid & refitted.tracked & precise,
        kinetics_known=known,
        tracked=refitted.tracked,
        sites=site_tracks(body, motion),
        site_names=tuple(body.sites),
        muscles=muscles,
        events=gait.events,
        strides=strides_with_posterior_sd(gait.strides, body, motion, covariance, trial.header.start_ns),
        lag_ms={},
        kinetics_sd=kinetics_sd(table.pop("torques_sd"), table.pop("force_sd"), table["force"]),
        **table,
    )


def kinetics_sd(
    torques_sd: Float64[np.ndarray, "row 40"],
    force_sd: Float64[np.ndarray, "row 2 3"],
    force: Float64[np.ndarray, "row 2 3"],
) -> KineticsSd:
    """Of all that torques.sto and grf.mot hold."""
    return KineticsSd(torques_sd, force_sd, *pressure_sd(force, force_sd, PressureError()))


def motion_for_kinetics(refitted: RefittedTrial) -> Motion:
    """The motion at the rows, smooth enough for its accelerations to be believed."""
    t_ns, problem = refitted.trial.live.t_ns, refitted.problem
    first, last = min(problem.first_ns, int(t_ns[0])), max(problem.last_ns, int(t_ns[-1]))
    spline = smoothed_by_need(
        refitted.fit.trajectory, first, last, KINETICS_CUTOFF_HZ, t_ns, refitted.tracked
    )
    return spline.motion(t_ns)


def rates_for_kinetics(refitted: RefittedTrial, covariance: MotionCovariance) -> MotionCovariance:
    """The same poses' covariance with the sd that velocities and accelerations have after smoothing."""
    time_s = float(refitted.problem.prior.pixel_noise.correlation_time_s)
    by_velocity, by_acceleration = smoothed_rates_gain(KINETICS_CUTOFF_HZ, time_s)
    sd = np.sqrt(np.maximum(np.einsum("tii->ti", covariance.pose), 0.0))
    return MotionCovariance(covariance.pose, by_velocity * sd, by_acceleration * sd)


def site_tracks(body: Body, motion: Motion) -> Float64[np.ndarray, "row site 3"]:
    """Where the model puts every keypoint, world."""
    parameters = body.parameters
    offsets = np.array([parameters.site_offsets.get(n, (0.0, 0.0, 0.0)) for n in body.sites], float)
    return BatchKinematics(body.skeleton, chunk=256).poses(log_scales(parameters), offsets, motion.q)[0]
