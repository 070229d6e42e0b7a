"""Optical marker sets by label -> landmark of the body.

PLUGIN_GAIT: Vicon Plug-in Gait full body (Davis et al. 1991, Kadaba et al. 1990) with the upper arm and
forearm markers, the additional foot and spine markers of the Oxford foot model sets and the medial knee and cluster
markers of the conventional gait model 2. OPENCAP: the marker
set of OpenCap's laboratory validation (Uhlrich et al. 2023). GAIT2392: the set distributed with OpenSim's
gait2392 and gait2354. CAMARGO: lower-limb set of Camargo et al. 2021. RAJAGOPAL: virtual markers of
Rajagopal et al. 2016. BMC: lower-limb set of the BMC teaching data (Duarte).
A trial may hold any part of a set; labels that no set knows are left out of the fit.
"""

from __future__ import annotations

from kincast.models.body.clinical_marker_sets import HELEN_HAYES, IOR_GAIT, LAMB


def _sides(names: dict[str, str], label: str, sides: tuple[str, str] = ("R", "L")) -> dict[str, str]:
    """Both sides of paired markers; ``label`` holds {side} and {name}."""
    return {
        label.format(side=prefix, name=name): f"{landmark}_{side}"
        for side, prefix in zip(("r", "l"), sides, strict=True)
        for name, landmark in names.items()
    }


_PLUGIN_GAIT: dict[str, str] = {
    "C7": "C7",
    "T2": "T2",
    "T6": "T6",
    "T10": "T10",
    "T12": "T12",
    "CLAV": "sternal_notch",
    "STRN": "xiphoid",
    "RBAK": "scapula_r",
    "SACR": "sacrum",
    **_sides(
        {
            "FHD": "temple",
            "BHD": "head_rear",
            "SHO": "acromion",
            "UPA": "upper_arm_lateral",
            "ELB": "elbow_lateral",
            "FRM": "forearm",
            "WRA": "wrist_radial",
            "WRB": "wrist_ulnar",
            "FIN": "hand_mc2",
            "ASI": "asis",
            "PSI": "psis",
            "THI": "thigh_lateral",
            "KNE": "knee_lateral",
            "KNM": "knee_medial",
            "THAP": "thigh_front_upper",
            "THAD": "thigh_front_lower",
            "TIB": "shank_lateral",
            "ANK": "ankle_lateral",
            "MMA": "ankle_medial",
            "HEE": "calcaneus",
            "TOE": "mt2",
            "HFB": "fibula_head",
            "TUB": "tuberosity",
            "SHN": "shank_front",
            "TIAP": "shank_front_upper",
            "TIAD": "shank_front_lower",
            "CPG": "heel_top",
            "LCA": "heel_lateral",
            "STL": "sustentaculum",
            "NAV": "navicular",
            "P1M": "mt1_base",
            "D1M": "mt1",
            "P5M": "mt5_base",
            "D5M": "mt5",
            "HLX": "hallux",
        },
        "{side}{name}",
    ),
}

_OPENCAP: dict[str, str] = {
    "C7": "C7",
    **_sides({"Shoulder": "acromion", "Sternum": "clavicle"}, "{side}_{name}"),
    **_sides({"ASIS": "asis", "PSIS": "psis"}, "{side}.{name}", ("r", "L")),
    **_sides({"HJC": "hip", "HJC_reg": "hip"}, "{side}_{name}"),
    # plates of five and four markers on the thighs, of four and three on the shanks
    "r_thigh1": "thigh_plate_front_upper_r",
    "r_thigh2": "thigh_plate_front_lower_r",
    "r_thigh3": "thigh_plate_middle_r",
    "r_thigh4": "thigh_plate_rear_upper_r",
    "r_thigh5": "thigh_plate_rear_lower_r",
    "L_thigh1": "thigh_plate_front_upper_l",
    "L_thigh2": "thigh_plate_front_lower_l",
    "L_thigh3": "thigh_plate_rear_upper_l",
    "L_thigh4": "thigh_plate_rear_lower_l",
    "r_shank_antsup": "shank_plate_front_upper_r",
    "r_sh2": "shank_plate_front_lower_r",
    "r_sh3": "shank_plate_rear_upper_r",
    "r_sh4": "shank_plate_rear_lower_r",
    "L_shank_antsup": "shank_plate_front_upper_l",
    "L_sh2": "shank_plate_rear_upper_l",
    "L_sh3": "shank_plate_rear_lower_l",
    **_sides(
        {
            "knee": "knee_lateral",
            "mknee": "knee_medial",
            "ankle": "ankle_lateral",
            "mankle": "ankle_medial",
            "calc": "calcaneus",
            "toe": "mt2",
            "5meta": "mt5",
        },
        "{side}_{name}",
        ("r", "L"),
    ),
    **_sides(
        {
            "humerus": "upper_arm_front",
            "elbow_lat": "elbow_lateral",
            "elbow_med": "elbow_medial",
            "forearm": "forearm_rear",
            "wrist_radius": "wrist_radial",
            "wrist_ulna": "wrist_ulnar",
        },
        "{side}_{name}",
    ),
}

_GAIT2392: dict[str, str] = {
    "V.Sacral": "sacrum",
    "Sternum": "mid_sternum",
    "Top.Head": "vertex",
    **_sides(
        {
            "ASIS": "asis",
            "PSIS": "psis",
            "Thigh.Upper": "thigh_triad_upper",
            "Thigh.Front": "thigh_front",
            "Thigh.Rear": "thigh_triad_rear",
            "Knee.Lat": "knee_lateral",
            "Knee.Med": "knee_medial",
            "Shank.Upper": "shank_triad_upper",
            "Shank.Front": "shank_triad_front",
            "Shank.Rear": "shank_triad_rear",
            "Ankle.Lat": "ankle_lateral",
            "Ankle.Med": "ankle_medial",
            "Heel": "calcaneus",
            "Midfoot.Sup": "midfoot_medial",
            "Midfoot.Lat": "midfoot_lateral",
            "Toe.Lat": "mt5",
            "Toe.Med": "mt1",
            "Toe.Tip": "second_toe",
            "Acromium": "acromion",
            "Bicep": "biceps",
            "Elbow": "elbow_lateral",
            "Wrist.Med": "wrist_ulnar",
            "Wrist.Lat": "wrist_radial",
            "Temple": "temple",
        },
        "{side}.{name}",
    ),
}

_CAMARGO: dict[str, str] = _sides(
    {
        "ASIS": "asis",
        "PSIS": "psis",
        "Thigh_Upper": "thigh_cluster_upper",
        "Thigh_Front": "thigh_cluster_front",
        "Thigh_Rear": "thigh_cluster_rear",
        "Knee_Lat": "knee_lateral",
        "Shank_Upper": "shank_cluster_upper",
        "Shank_Front": "shank_cluster_front",
        "Shank_Rear": "shank_cluster_rear",
        "Ankle_Lat": "ankle_lateral",
        "Heel": "calcaneus",
        "Toe_Lat": "mt5",
        "Toe_Med": "mt1",
        "Toe_Tip": "mtp_top",
    },
    "{side}_{name}",
)

_RAJAGOPAL: dict[str, str] = {
    "C7": "C7",
    "CLAV": "sternal_notch",
    **_sides(
        {
            "ACR": "acromion",
            "ASH": "shoulder_front",
            "PSH": "shoulder_rear",
            "UA1": "biceps",
            "UA2": "upper_arm_lateral",
            "UA3": "triceps",
            "LEL": "elbow_lateral",
            "MEL": "elbow_medial",
            "FAsuperior": "forearm",
            "FAradius": "wrist_radial",
            "FAulna": "wrist_ulnar",
            "ASI": "asis",
            "PSI": "psis",
            "TH1": "thigh_upper",
            "TH2": "thigh_front",
            "TH3": "thigh_lower",
            "LFC": "knee_lateral",
            "MFC": "knee_medial",
            "TB1": "shank_lateral",
            "TB2": "shank_front",
            "TB3": "shank_lower",
            "LMAL": "ankle_lateral",
            "MMAL": "ankle_medial",
            "CAL": "calcaneus",
            "TOE": "mt2",
            "MT5": "mt5",
            "SJC": "shoulder",
            "EJC": "elbow",
            "HJC": "hip",
            "KJC": "knee",
            "AJC": "ankle",
        },
        "{side}{name}",
    ),
}

_BMC: dict[str, str] = _sides(
    {
        "ASIS": "asis",
        "PSIS": "psis",
        "Iliac.Crest": "iliac_crest",
        "GTR": "trochanter",
        "Knee": "knee_lateral",
        "Knee.Medial": "knee_medial",
        "HF": "fibula_head",
        "TT": "tuberosity",
        "Ankle": "ankle_lateral",
        "Ankle.Medial": "ankle_medial",
        "Heel": "calcaneus",
        "MT1": "mt1",
        "MT2": "mt2",
        "MT5": "mt5",
    },
    "{side}.{name}",
)

MARKER_LANDMARKS: dict[str, dict[str, str]] = {
    "PLUGIN_GAIT": _PLUGIN_GAIT,
    "OPENCAP": _OPENCAP,
    "GAIT2392": _GAIT2392,
    "CAMARGO": _CAMARGO,
    "RAJAGOPAL": _RAJAGOPAL,
    "BMC": _BMC,
    "HELEN_HAYES": HELEN_HAYES,
    "IOR_GAIT": IOR_GAIT,
    "LAMB": LAMB,
}
