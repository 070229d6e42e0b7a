"""Keypoint sets of 2D detectors: name -> landmark of the body, in the set's own order."""

from __future__ import annotations

_HALPE_26: dict[str, str] = {
    "Nose": "nose",
    "LEye": "eye_l",
    "REye": "eye_r",
    "LEar": "ear_l",
    "REar": "ear_r",
    "LShoulder": "shoulder_l",
    "RShoulder": "shoulder_r",
    "LElbow": "elbow_l",
    "RElbow": "elbow_r",
    "LWrist": "wrist_l",
    "RWrist": "wrist_r",
    "LHip": "hip_l",
    "RHip": "hip_r",
    "LKnee": "knee_l",
    "RKnee": "knee_r",
    "LAnkle": "ankle_l",
    "RAnkle": "ankle_r",
    "Head": "vertex",
    "Neck": "neck",
    "Hip": "hip_centre",
    "LBigToe": "big_toe_l",
    "RBigToe": "big_toe_r",
    "LSmallToe": "small_toe_l",
    "RSmallToe": "small_toe_r",
    "LHeel": "heel_l",
    "RHeel": "heel_r",
}

KEYPOINT_LANDMARKS: dict[str, dict[str, str]] = {"HALPE_26": _HALPE_26}
