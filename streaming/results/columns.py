"""File names and column names of the results folder: the contract that other programs read by."""

from __future__ import annotations

from kincast.models.coordinates import COORDINATES, PELVIS_TRANSLATIONS

KINEMATICS = "kinematics.mot"
TWIN_KINEMATICS = "twin_kinematics.mot"
KINEMATICS_SD = "kinematics_sd.sto"
TORQUES = "torques.sto"
TORQUES_SD = "torques_sd.sto"
GROUND_FORCES = "grf.mot"
GROUND_FORCES_SD = "grf_sd.sto"
RESIDUALS = "residuals.sto"
ACTIVATIONS = "activations.sto"
ACTIVATIONS_SD = "activations_sd.sto"
VALID = "valid.csv"
EVENTS = "events.csv"
GAIT = "gait.csv"
MARKERS = "markers.trc"
BODY = "body.json"
CAMERAS = "cameras.toml"
SUMMARY = "summary.json"
OPTIONAL = (TWIN_KINEMATICS, ACTIVATIONS, ACTIVATIONS_SD, TORQUES_SD, GROUND_FORCES_SD)

SD_COLUMNS = tuple(name for c in COORDINATES for name in (c, f"{c}_within"))
TORQUE_COLUMNS = tuple(f"{c}_force" if c in PELVIS_TRANSLATIONS else f"{c}_moment" for c in COORDINATES)
RESIDUAL_COLUMNS = ("FX", "FY", "FZ", "MX", "MY", "MZ")
SIDES = ("r", "l")
FOOT_COLUMNS = tuple(
    f"ground_{kind}_{side}_{axis}"
    for side in SIDES
    for kind, axes in (("force", ("vx", "vy", "vz", "px", "py", "pz")), ("torque", ("x", "y", "z")))
    for axis in axes
)
VALID_COLUMNS = ("time_s", "kinematics", "kinetics", "tracked")
EVENT_COLUMNS = ("time_s", "side", "event", "sd_s", "emitted_s")
STRIDE_MEASURES = (
    "foot_strike_s",
    "foot_off_s",
    "next_foot_strike_s",
    "stride_length_m",
    "step_length_m",
    "step_width_m",
    "speed_m_s",
    "cadence_steps_min",
    "stance_pct",
    "toe_clearance_min_m",
    "heel_clearance_max_m",
)
GAIT_COLUMNS = ("side", *STRIDE_MEASURES, *(f"{name}_sd" for name in STRIDE_MEASURES))
