"""What KinTwin published, under the names of our figures."""

from __future__ import annotations

CITATION = (
    "Cotton 2025, KinTwin, arXiv 2505.13436: 41 people (397 trials) not trained on, errors against the fitted motion; events and"
    " strides of 79 trials against an instrumented walkway, events where simulated vertical force crosses a threshold, strides from"
    " the centre of pressure. A trial failed when the pelvis left 0.3 to 2 m of height. Other people and clinics than any data here."
)

PUBLISHED: dict[str, dict[str, float]] = {
    "KinTwin torque": {
        "failed_trials_pct": 3.8,
        "pelvis_mm": 42.0,
        "pelvis_mm_s": 82.0,
        "all_joints_deg": 0.65,
        "joint_velocity_deg_s": 8.2,
        "hip_deg": 1.2,
        "knee_deg": 0.9,
        "ankle_deg": 0.7,
        "foot_strike_ms": 80.0,
        "foot_off_ms": 71.0,
        "stride_mm": 20.0,
    },
    "no future": {
        "failed_trials_pct": 6.0,
        "pelvis_mm": 83.0,
        "pelvis_mm_s": 131.0,
        "all_joints_deg": 1.45,
        "joint_velocity_deg_s": 11.2,
        "hip_deg": 2.5,
        "knee_deg": 1.7,
        "ankle_deg": 1.2,
        "foot_strike_ms": 101.0,
        "foot_off_ms": 53.0,
        "stride_mm": 27.0,
    },
    "no residual": {
        "failed_trials_pct": 61.2,
        "pelvis_mm": 430.0,
        "pelvis_mm_s": 287.0,
        "all_joints_deg": 1.49,
        "joint_velocity_deg_s": 15.5,
        "hip_deg": 3.1,
        "knee_deg": 1.9,
        "ankle_deg": 2.2,
        "foot_strike_ms": 185.0,
        "foot_off_ms": 41.0,
        "stride_mm": 179.0,
    },
    "muscle": {
        "failed_trials_pct": 9.6,
        "pelvis_mm": 38.0,
        "pelvis_mm_s": 100.0,
        "all_joints_deg": 1.68,
        "joint_velocity_deg_s": 14.2,
        "hip_deg": 2.1,
        "knee_deg": 1.7,
        "ankle_deg": 3.5,
        "foot_strike_ms": 120.0,
        "foot_off_ms": 135.0,
        "stride_mm": 29.0,
    },
}
"""Mean absolute errors of tracking; of events and strides a single number that its text suggests to be a normalised interquartile range."""
