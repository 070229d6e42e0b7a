"""Default places of anatomical landmarks on the generic adult: (segment, position in segment axes, m).

The right side is written; the left is mirrored. Joint centres are those of the joints. Bony landmarks
follow the virtual markers commonly put on the model of Rajagopal et al. 2016 and its feet; the head those
of de Leva 1996 (vertex, gonion, cervicale) with eye, ear and nose places of an average adult head.
Heel, big and small toe are where detectors see them, which is inside the shoe, not where a marker is stuck: the places of Pose2Sim's HALPE_26 set
(Pagnon et al. 2022, J Open Source Softw 7:4362), on the same bones. They are starting points: every site has an offset per person.
"""

from __future__ import annotations

from kincast.models.body.wholebody import FACE_LANDMARKS, HAND_LANDMARKS

Vector = tuple[float, float, float]

_MIDLINE: dict[str, tuple[str, Vector]] = {
    "hip_centre": ("pelvis", (-0.056276, -0.07849, 0.0)),
    "sacrum": ("pelvis", (-0.155, 0.035, 0.0)),
    "navel": ("torso", (0.10, 0.05, 0.0)),
    "T10": ("torso", (-0.115, 0.235, 0.0)),
    "T8": ("torso", (-0.125, 0.29, 0.0)),
    "T2": ("torso", (-0.10, 0.395, 0.0)),
    "C7": ("torso", (-0.085, 0.437, 0.0)),
    "sternal_notch": ("torso", (0.02, 0.385, 0.0)),
    "mid_sternum": ("torso", (0.09, 0.285, 0.0)),
    "xiphoid": ("torso", (0.085, 0.235, 0.0)),
    "neck": ("torso", (-0.012, 0.40, 0.0)),
    "upper_neck": ("head", (0.05, 0.04, 0.0)),
    "head_centre": ("head", (0.065, 0.13, 0.0)),
    "pelvis_centre": ("pelvis", (-0.06, 0.0, 0.0)),
    "T12": ("torso", (-0.095, 0.16, 0.0)),
    "T6": ("torso", (-0.125, 0.325, 0.0)),
    "nose": ("head", (0.175, 0.11, 0.0)),
    "vertex": ("head", (0.06, 0.24, 0.0)),
}

_RIGHT: dict[str, tuple[str, Vector]] = {
    "asis": ("pelvis", (0.012, 0.018, 0.1285)),
    "psis": ("pelvis", (-0.155, 0.035, 0.045)),
    "iliac_crest": ("pelvis", (-0.06, 0.075, 0.135)),
    "hip": ("femur", (0.0, 0.0, 0.0)),
    "trochanter": ("femur", (-0.01, -0.01, 0.085)),
    "buttock": ("pelvis", (-0.16, -0.08, 0.07)),
    "thigh_plate_front_upper": ("femur", (0.072, -0.14, 0.08)),
    "thigh_plate_front_lower": ("femur", (0.075, -0.25, 0.05)),
    "thigh_plate_middle": ("femur", (0.017, -0.26, 0.085)),
    "thigh_plate_rear_upper": ("femur", (-0.03, -0.15, 0.11)),
    "thigh_plate_rear_lower": ("femur", (-0.025, -0.27, 0.075)),
    "shank_plate_front_upper": ("tibia", (0.037, -0.087, 0.04)),
    "shank_plate_front_lower": ("tibia", (0.029, -0.205, 0.042)),
    "shank_plate_rear_upper": ("tibia", (-0.038, -0.08, 0.068)),
    "shank_plate_rear_lower": ("tibia", (-0.047, -0.195, 0.075)),
    "thigh_inner": ("femur", (0.06, -0.22, -0.04)),
    "thigh_front": ("femur", (0.08, -0.23, 0.005)),
    "thigh_front_upper": ("femur", (0.08, -0.15, 0.01)),
    "thigh_front_lower": ("femur", (0.065, -0.31, 0.005)),
    "shank_front_upper": ("tibia", (0.04, -0.13, 0.0)),
    "shank_front_lower": ("tibia", (0.03, -0.29, -0.003)),
    "thigh_upper": ("femur", (0.018, -0.15, 0.075)),
    "thigh_lateral": ("femur", (0.01, -0.25, 0.07)),
    "thigh_lower": ("femur", (0.01, -0.3, 0.06)),
    "knee": ("tibia", (0.0, 0.0, 0.0)),
    "knee_lateral": ("femur", (0.0, -0.404, 0.05)),
    "knee_medial": ("femur", (0.0, -0.404, -0.05)),
    "shank_lateral": ("tibia", (-0.002, -0.1565, 0.05)),
    "shank_front": ("tibia", (0.037, -0.23, -0.004)),
    "shank_lower": ("tibia", (0.011, -0.295, 0.05)),
    "tuberosity": ("tibia", (0.045, -0.06, 0.0)),
    "fibula_head": ("tibia", (-0.02, -0.03, 0.05)),
    "ankle": ("talus", (0.0, 0.0, 0.0)),
    "ankle_lateral": ("tibia", (-0.02, -0.405, 0.045)),
    "ankle_medial": ("tibia", (0.006, -0.389, -0.038)),
    "heel": ("calcn", (0.0136, 0.0233, -0.0019)),
    "calcaneus": ("calcn", (-0.025, 0.025, -0.005)),
    "heel_lateral": ("calcn", (0.02, 0.02, 0.035)),
    "mt1": ("calcn", (0.178, 0.0, -0.03)),
    "mt2": ("calcn", (0.18, 0.02, 0.012)),
    "mt5": ("calcn", (0.145, 0.01, 0.059)),
    "midfoot_medial": ("calcn", (0.115, 0.035, -0.02)),
    "midfoot_lateral": ("calcn", (0.1, 0.022, 0.065)),
    "mtp": ("toes", (0.0, 0.0, 0.0)),
    "fourth_toe": ("toes", (0.04, 0.005, 0.035)),
    "heel_top": ("calcn", (-0.025, 0.05, 0.0)),
    "sustentaculum": ("calcn", (0.055, 0.035, -0.03)),
    "navicular": ("calcn", (0.09, 0.045, -0.035)),
    "mt1_base": ("calcn", (0.12, 0.045, -0.02)),
    "mt5_base": ("calcn", (0.085, 0.02, 0.045)),
    "hallux": ("toes", (0.045, 0.02, -0.025)),
    "big_toe": ("toes", (0.0647, 0.0099, -0.0146)),
    "second_toe": ("toes", (0.062, 0.005, 0.0)),
    "small_toe": ("toes", (0.0271, 0.0096, 0.0288)),
    "shoulder": ("humerus", (0.0, 0.0, 0.0)),
    "mtp_top": ("toes", (0.0, 0.017, 0.0)),
    "forearm_rear": ("radius", (-0.055, -0.04, 0.023)),
    "upper_arm_front": ("humerus", (0.042, -0.086, 0.036)),
    "thigh_cluster_upper": ("femur", (0.02, -0.07, 0.11)),
    "thigh_cluster_front": ("femur", (0.06, -0.134, 0.096)),
    "thigh_cluster_rear": ("femur", (-0.008, -0.135, 0.109)),
    "shank_cluster_upper": ("tibia", (-0.05, -0.131, 0.092)),
    "shank_cluster_front": ("tibia", (-0.02, -0.181, 0.081)),
    "shank_cluster_rear": ("tibia", (-0.067, -0.19, 0.078)),
    "thigh_triad_upper": ("femur", (0.028, -0.18, 0.085)),
    "thigh_triad_rear": ("femur", (0.012, -0.28, 0.07)),
    "shank_triad_upper": ("tibia", (-0.03, -0.055, 0.075)),
    "shank_triad_front": ("tibia", (0.03, -0.095, 0.03)),
    "shank_triad_rear": ("tibia", (-0.03, -0.115, 0.083)),
    "acromion": ("torso", (-0.004, 0.425, 0.165)),
    "breast": ("torso", (0.10, 0.28, 0.08)),
    "scapula_spine": ("torso", (-0.10, 0.37, 0.09)),
    "scapula": ("torso", (-0.12, 0.30, 0.09)),
    "clavicle": ("torso", (0.05, 0.378, 0.025)),
    "shoulder_front": ("torso", (0.05, 0.365, 0.17)),
    "shoulder_rear": ("torso", (-0.05, 0.365, 0.17)),
    "upper_arm_lateral": ("humerus", (0.0, -0.14, 0.045)),
    "biceps": ("humerus", (0.045, -0.16, 0.01)),
    "triceps": ("humerus", (-0.045, -0.16, 0.01)),
    "elbow": ("ulna", (0.0, 0.0, 0.0)),
    "elbow_lateral": ("humerus", (0.013, -0.286, 0.034)),
    "elbow_medial": ("humerus", (0.013, -0.286, -0.045)),
    "forearm": ("radius", (0.0, -0.10, 0.025)),
    "wrist": ("hand", (0.0, 0.0, 0.0)),
    "wrist_radial": ("radius", (-0.03, -0.22, 0.035)),
    "wrist_ulnar": ("radius", (-0.045, -0.21, -0.012)),
    "hand_mc3": ("hand", (-0.005, -0.085, 0.005)),
    "hand_mc2": ("hand", (0.0, -0.08, 0.03)),
    "thumb_base": ("hand", (0.01, -0.045, 0.045)),
    "eye": ("head", (0.145, 0.145, 0.032)),
    "ear": ("head", (0.06, 0.125, 0.075)),
    "cheek": ("head", (0.135, 0.10, 0.05)),
    "temple": ("head", (0.125, 0.165, 0.07)),
    "head_rear": ("head", (-0.02, 0.165, 0.06)),
}

_ONE_BODY = ("pelvis", "torso", "head")


def _both_sides() -> dict[str, tuple[str, Vector]]:
    landmarks = dict(_MIDLINE)
    for name, (body, (x, y, z)) in _RIGHT.items():
        for side, sign in (("r", 1.0), ("l", -1.0)):
            landmarks[f"{name}_{side}"] = (body if body in _ONE_BODY else f"{body}_{side}", (x, y, sign * z))
    landmarks |= {name: ("head", place) for name, place in FACE_LANDMARKS.items()}
    for name, (x, y, z) in HAND_LANDMARKS.items():
        landmarks |= {
            f"{name}_{side}": (f"hand_{side}", (x, y, s * z)) for side, s in (("r", 1.0), ("l", -1.0))
        }
    return landmarks


LANDMARKS: dict[str, tuple[str, Vector]] = _both_sides()
