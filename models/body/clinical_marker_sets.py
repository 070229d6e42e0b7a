"""More optical marker sets of gait laboratories, by label -> landmark of the body.

HELEN_HAYES: Kadaba et al. 1990 with the labels of Motion Analysis (OrthoTrak), medial markers of its static trial included.
IOR_GAIT: Leardini et al. 2007 and the CAST anatomical landmarks (Cappozzo et al. 1995) under van Sint Jan's (2007)
labels, as Qualisys and BTS write them. LAMB: the full-body protocol of Rabuffetti and Crenna 2004, labels as in
Lencioni et al. 2019. What each set is called elsewhere: :data:`MARKER_ALIASES`.
"""

from __future__ import annotations


def _sides(names: dict[str, str], label: str = "{side}{name}", sides: str = "RL") -> dict[str, str]:
    return {
        label.format(side=prefix, name=name): f"{landmark}_{side}"
        for prefix, side in zip(sides, "rl", strict=True)
        for name, landmark in names.items()
    }


HELEN_HAYES: dict[str, str] = {
    "Top.Head": "vertex",
    "C7": "C7",
    "IJ": "sternal_notch",
    "PX": "xiphoid",
    "R.Offset": "scapula_r",
    "V.Sacral": "sacrum",
    **_sides(
        {
            "Shoulder": "acromion",
            "Elbow": "elbow_lateral",
            "Wrist": "wrist_radial",
            "ASIS": "asis",
            "PSIS": "psis",
            "Thigh": "thigh_lateral",
            "Knee": "knee_lateral",
            "Knee.Medial": "knee_medial",
            "Shank": "shank_lateral",
            "Ankle": "ankle_lateral",
            "Ankle.Medial": "ankle_medial",
            "Heel": "calcaneus",
            "Toe": "mt2",
            "Foot": "mt1",
        },
        "{side}.{name}",
    ),
}

IOR_GAIT: dict[str, str] = {
    "CV7": "C7",
    "TV2": "T2",
    "TV10": "T10",
    "TV12": "T12",
    "SJN": "sternal_notch",
    "SXS": "xiphoid",
    "SACR": "sacrum",
    **_sides(
        {
            "CAJ": "acromion",
            "HLE": "elbow_lateral",
            "HME": "elbow_medial",
            "RSP": "wrist_radial",
            "USP": "wrist_ulnar",
            "HM2": "hand_mc2",
            "IAS": "asis",
            "IPS": "psis",
            "ICT": "iliac_crest",
            "FTC": "trochanter",
            "FLE": "knee_lateral",
            "FME": "knee_medial",
            "FAX": "fibula_head",
            "TTC": "tuberosity",
            "FAL": "ankle_lateral",
            "TAM": "ankle_medial",
            "FCC": "calcaneus",
            "FM1": "mt1",
            "FM2": "mt2",
            "FM5": "mt5",
            "DP1": "hallux",
        }
    ),
}

LAMB: dict[str, str] = {
    "C7": "C7",
    "maxkif": "T8",
    "Psis": "sacrum",
    **_sides(
        {
            "Cheec": "cheek",
            "Should": "acromion",
            "Elbow": "elbow_lateral",
            "Wrist": "wrist_radial",
            "Asis": "asis",
            "Thigh": "thigh_lateral",
            "LatCon": "knee_lateral",
            "FH": "fibula_head",
            "Shank": "shank_lower",
            "LatMal": "ankle_lateral",
            "Heel": "calcaneus",
            "Toe1": "hallux",
            "Meta5": "mt5",
        },
        "{side}x{name}",
    ),
}


def _both(names: dict[str, str], label: str = "{side}{name}", of: str = "{side}{name}") -> dict[str, str]:
    return {
        label.format(side=side, name=name): of.format(side=side, name=other)
        for side in "RL"
        for name, other in names.items()
    }


MARKER_ALIASES: dict[str, dict[str, str]] = {
    # conventional gait model 2 (Leboeuf et al. 2019), older Vicon and CMU waist and foot labels
    "PLUGIN_GAIT": {
        **_both(
            {
                "MED": "MMA",
                "FMH": "D1M",
                "VMH": "D5M",
                "MT1": "D1M",
                "MT5": "D5M",
                "FWT": "ASI",
                "BWT": "PSI",
                "MKNE": "KNM",
                "KNEM": "KNM",
                "MANK": "MMA",
                "SHO1": "SHO",
            }
        ),
        "SACRUM": "SACR",
        "STERN": "STRN",
    },
    "HELEN_HAYES": {
        **_both(
            {
                "SHO": "Shoulder",
                "ELB": "Elbow",
                "WRI": "Wrist",
                "ASI": "ASIS",
                "PSI": "PSIS",
                "THI": "Thigh",
                "KNE": "Knee",
                "MKNE": "Knee.Medial",
                "SHA": "Shank",
                "ANK": "Ankle",
                "MANK": "Ankle.Medial",
                "HEE": "Heel",
                "TOE": "Toe",
                "FOO": "Foot",
                "Thigh.Wand": "Thigh",
                "Shank.Wand": "Shank",
                "Med.Knee": "Knee.Medial",
                "Med.Ankle": "Ankle.Medial",
            },
            of="{side}.{name}",
        ),
        "ROFF": "R.Offset",
        "VSAC": "V.Sacral",
        "Sacral": "V.Sacral",
        "Sacrum": "V.Sacral",
    },
    "IOR_GAIT": {
        **_both({"CAJ1": "CAJ", "GTR": "FTC", "MAL": "FAL", "CA": "FCC"}),
        "C7": "CV7",
        "T2": "TV2",
        "T10": "TV10",
    },
    "LAMB": {"MaxKyph": "maxkif", **_both({"Cheek": "Cheec"}, "{side}x{name}", "{side}x{name}")},
    "HALPE_26": {"CHip": "Hip", "MidHip": "Hip", "HeadTop": "Head"},
    "BODY_25": {"CHip": "MidHip", "Hip": "MidHip"},
    "BODY_25B": {"Neck": "UpperNeck", "Head": "HeadTop"},
}
"""Set -> what a file may call a marker -> the set's own name for it."""
