"""Keypoint sets of 2D detectors: name -> landmark of the body, in the set's own order.

HALPE_26 (Fang et al. 2022), COCO_133 (COCO-WholeBody, Jin et al. 2020), BODY_25 and BODY_25B (OpenPose),
MOVI_87 (the BML-MoVi joints and markers as numbered by MeTRAbs, ``bml_movi_87``).
"""

from __future__ import annotations

from kincast.models.body.wholebody import FACE_LANDMARKS, HAND_LANDMARKS

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

_BODY_25_ORDER = (
    *("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip"),
    *("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"),
    *("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"),
)
_BODY_25B_ORDER = (
    *(
        "Nose",
        "LEye",
        "REye",
        "LEar",
        "REar",
        "LShoulder",
        "RShoulder",
        "LElbow",
        "RElbow",
        "LWrist",
        "RWrist",
    ),
    *("LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle", "UpperNeck", "HeadTop"),
    *("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"),
)
_OPENPOSE_ONLY = {"MidHip": "hip_centre", "UpperNeck": "upper_neck", "HeadTop": "vertex"}
_OPENPOSE = {**_HALPE_26, **_OPENPOSE_ONLY}

_COCO_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_COCO_FEET = ("big_toe", "small_toe", "heel")
_COCO_133: dict[str, str] = {
    "nose": "nose",
    **{f"{word}_{part}": f"{part}_{word[0]}" for part in _COCO_PAIRS for word in ("left", "right")},
    **{f"{word}_{part}": f"{part}_{word[0]}" for word in ("left", "right") for part in _COCO_FEET},
    **{name: name for name in FACE_LANDMARKS},
    **{f"{word}_{part}": f"{part}_{word[0]}" for word in ("left", "right") for part in HAND_LANDMARKS},
}

# one side of MoVi's surface markers, in MeTRAbs' order
_MOVI_SIDE: dict[str, str] = {
    "fronthead": "temple",
    "backhead": "head_rear",
    "back": "scapula",
    "shom": "acromion",
    "upperarm": "upper_arm_lateral",
    "elbm": "elbow_lateral",
    "forearm": "forearm",
    "writhumbside": "wrist_radial",
    "wripinkieside": "wrist_ulnar",
    "fin": "hand_mc2",
    "asis": "asis",
    "psis": "psis",
    "frontthigh": "thigh_front",
    "thigh": "thigh_lateral",
    "knem": "knee_lateral",
    "ankm": "ankle_lateral",
    "hee": "calcaneus",
    "fifthmetatarsal": "mt5",
    "toe": "mt2",
    "cheek": "cheek",
    "breast": "breast",
    "elbinner": "elbow_medial",
    "waist": "iliac_crest",
    "thumb": "thumb_base",
    "frontinnerthigh": "thigh_inner",
    "innerknee": "knee_medial",
    "shin": "shank_front",
    "firstmetatarsal": "mt1",
    "fourthtoe": "fourth_toe",
    "scapula": "scapula_spine",
    "bum": "buttock",
}
_MOVI_JOINTS: dict[str, str] = {
    "ank": "ankle",
    "elb": "elbow",
    "hip": "hip",
    "han": "hand_mc3",
    "kne": "knee",
    "sho": "shoulder",
    "wri": "wrist",
    "foo": "mtp",
}
_MOVI_87: dict[str, str] = {
    "backneck": "C7",
    "upperback": "T8",
    "clavicle": "sternal_notch",
    "sternum": "xiphoid",
    "umbilicus": "navel",
    **{f"{side}{name}": f"{landmark}_{side}" for side in "lr" for name, landmark in _MOVI_SIDE.items()},
    "head": "head_centre",
    "mhip": "hip_centre",
    "pelv": "pelvis_centre",
    "thor": "neck",
    **{f"{side}{name}": f"{landmark}_{side}" for side in "lr" for name, landmark in _MOVI_JOINTS.items()},
}

KEYPOINT_LANDMARKS: dict[str, dict[str, str]] = {
    "HALPE_26": _HALPE_26,
    "COCO_133": _COCO_133,
    "BODY_25": {name: _OPENPOSE[name] for name in _BODY_25_ORDER},
    "BODY_25B": {name: _OPENPOSE[name] for name in _BODY_25B_ORDER},
    "MOVI_87": _MOVI_87,
}
