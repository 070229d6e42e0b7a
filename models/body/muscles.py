"""The 80 leg muscles: architecture of the generic adult, rest lengths and strengths that follow the person.

Fibre lengths, forces and pennation are those of Rajagopal et al. 2016 (dissections of Ward et al. 2009, muscle
volumes of Handsfield et al. 2014); tendon slack lengths are the leg package's tendon spring lengths, which are
the same source's. The package's own fibre lengths are not used: for a dozen muscles they were stretched to fit
a knee that turned about the wrong point. Tendons are rigid, so the force-length curve is as wide as Thelen
2003's, half of the greatest force at 0.5 and 1.55 optimal lengths.

Optimal fibre and tendon slack lengths keep their share of the path length in the neutral pose, as in OpenSim's
scaling. Strength is muscle volume over fibre length; total leg muscle volume follows mass times height
(Handsfield et al. 2014, J Biomech 47, 631: 47.05 cm^3 per kg m, plus 1289.6 cm^3).
"""

from __future__ import annotations

import mujoco
import numpy as np
from jaxtyping import Float, Int

from kincast.models.body.coupling import coupling_of
from kincast.models.body.parameters import GENERIC_MASS_KG, BodyParameters
from kincast.models.body.scaling import stature
from kincast.models.coordinates import POSE_SIZE

_VOLUME_PER_KG_M = 47.05
_VOLUME_CM3 = 1289.6

_FORCE_LENGTH_RANGE = (0.0, 2.1)  # lmin and lmax of MuJoCo's curve
_MAX_VELOCITY = 10.0  # optimal lengths per second (Thelen 2003, young adult)
_PASSIVE_FORCE = 1.0  # fpmax: of the greatest force, at lmax
_LENGTHENING_FORCE = 1.4  # fvmax (Thelen 2003)
_TENDON_STRETCH = (
    1.02  # of the rigid tendon: half the strain at greatest force (Thelen 2003: 3.3 %, Millard 2013: 4.9 %)
)

# optimal fibre length (m), greatest isometric force (N), pennation at optimal length (deg)
ARCHITECTURE: dict[str, tuple[float, float, float]] = {
    "addbrev": (0.1031, 625.8, 6.6),
    "addlong": (0.1082, 916.8, 7.9),
    "addmagDist": (0.1772, 597.3, 11.2),
    "addmagIsch": (0.1562, 597.3, 9.6),
    "addmagMid": (0.1377, 597.3, 11.9),
    "addmagProx": (0.1056, 597.3, 17.8),
    "bflh": (0.0976, 1313.2, 10.1),
    "bfsh": (0.1103, 557.1, 15.1),
    "edl": (0.0693, 603.5, 12.5),
    "ehl": (0.0748, 285.9, 11.3),
    "fdl": (0.0446, 423.2, 12.9),
    "fhl": (0.0527, 907.8, 14.8),
    "gaslat": (0.0588, 1575.1, 12.0),
    "gasmed": (0.0510, 3115.5, 9.5),
    "glmax1": (0.1470, 983.8, 20.3),
    "glmax2": (0.1570, 1406.0, 21.0),
    "glmax3": (0.1670, 947.8, 21.9),
    "glmed1": (0.0730, 1093.5, 18.1),
    "glmed2": (0.0730, 765.1, 18.1),
    "glmed3": (0.0730, 871.2, 18.1),
    "glmin1": (0.0680, 374.0, 10.0),
    "glmin2": (0.0560, 394.8, 0.0),
    "glmin3": (0.0380, 446.8, 1.0),
    "grac": (0.2278, 281.3, 9.9),
    "iliacus": (0.1066, 1021.1, 16.0),
    "perbrev": (0.0454, 521.2, 11.8),
    "perlong": (0.0508, 1115.4, 14.2),
    "piri": (0.0260, 1029.8, 10.0),
    "psoas": (0.1169, 1426.8, 12.3),
    "recfem": (0.0759, 2191.7, 12.4),
    "sart": (0.4030, 249.4, 1.5),
    "semimem": (0.0690, 2201.0, 14.6),
    "semiten": (0.1930, 591.3, 13.8),
    "soleus": (0.0440, 6194.8, 21.9),
    "tfl": (0.0950, 411.2, 3.0),
    "tibant": (0.0683, 1227.5, 11.2),
    "tibpost": (0.0378, 1730.2, 13.0),
    "vasint": (0.0993, 1697.4, 3.6),
    "vaslat": (0.0994, 5148.8, 14.5),
    "vasmed": (0.0968, 2747.8, 24.2),
}


def muscle_ids(model: mujoco.MjModel) -> Int[np.ndarray, "muscle"]:
    """Actuators of a model that are muscles; their names are those of Rajagopal et al. 2016."""
    return np.flatnonzero(model.actuator_gaintype == mujoco.mjtGain.mjGAIN_MUSCLE)


def neutral_lengths(model: mujoco.MjModel) -> Float[np.ndarray, "muscle"]:
    """Path lengths (m) of the muscles with every joint at zero."""
    data = mujoco.MjData(model)
    neutral = np.zeros(POSE_SIZE)
    neutral[3] = 1.0
    data.qpos[:] = coupling_of(model).full_qpos(neutral)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_tendon(model, data)
    return data.ten_length[model.actuator_trnid[muscle_ids(model), 0]]


def set_generic_muscles(model: mujoco.MjModel) -> None:
    """Give the muscles of a compiled body the architecture of the generic adult."""
    for i in muscle_ids(model):
        fibre, force, pennation_deg = ARCHITECTURE[model.actuator(int(i)).name[:-2]]
        tendon = _TENDON_STRETCH * model.tendon_lengthspring[model.actuator_trnid[i, 0], 0]
        low, high = 0.5, 1.5  # any two fibre lengths with the path lengths that belong to them
        model.actuator_lengthrange[i] = (tendon + low * fibre, tendon + high * fibre)
        along_tendon = force * np.cos(np.deg2rad(pennation_deg))
        prm = (
            low,
            high,
            along_tendon,
            1.0,
            *_FORCE_LENGTH_RANGE,
            _MAX_VELOCITY,
            _PASSIVE_FORCE,
            _LENGTHENING_FORCE,
        )
        model.actuator_gainprm[i, :9] = prm
        model.actuator_biasprm[i, :9] = prm


def scale_muscles(
    model: mujoco.MjModel, generic: Float[np.ndarray, "muscle"], parameters: BodyParameters
) -> None:
    """Set rest lengths and strengths of a compiled person; ``generic`` are the generic body's neutral lengths."""
    ids = muscle_ids(model)
    ratio = neutral_lengths(model) / generic
    model.actuator_lengthrange[ids] *= ratio[:, None]  # MuJoCo's rest lengths are affine in this range
    strength = _volume_ratio(parameters) / ratio
    model.actuator_gainprm[ids, 2] *= strength
    model.actuator_biasprm[ids, 2] *= strength


def rest_lengths(
    model: mujoco.MjModel,
) -> tuple[Float[np.ndarray, "muscle"], Float[np.ndarray, "muscle"]]:
    """Optimal fibre length and tendon slack length (m) of MuJoCo's muscle model, in the order of its actuators."""
    ids = muscle_ids(model)
    low, high = model.actuator_gainprm[ids, 0], model.actuator_gainprm[ids, 1]
    shortest, longest = model.actuator_lengthrange[ids].T
    fibre = (longest - shortest) / (high - low)
    return fibre, shortest - low * fibre


def _volume_ratio(parameters: BodyParameters) -> float:
    def volume(mass_kg: float, height_m: float) -> float:
        return _VOLUME_PER_KG_M * mass_kg * height_m + _VOLUME_CM3

    generic = stature(BodyParameters().scales)
    return volume(parameters.mass_kg, stature(parameters.scales)) / volume(GENERIC_MASS_KG, generic)
