"""Which foot carries how much, and where on the sole, as far as motion alone tells.

In double support the wrench that a motion demands does not say how two feet share it: their shear is free, and a
horizontal acceleration wrong by 3 % of gravity moves the load by a tenth of body weight from one foot to the
other. How feet roll, land and leave says more. Two small regressions, fitted on force plate trials of able-bodied
adults and children (``tests/bench/load_expectation_fit.py``, which prints the errors on people left out of the
fit: about 6 % body weight of sharing, 25 mm along the sole), give

* the share of the right foot: logistic in the difference between the feet of height, speed and rise of heel, ball and
  toe, and in where the centre of mass stands and goes between them;
* the centre of pressure along each sole: linear in the lean of hip over ankle and in heights and rises.

Both are expectations with a spread: the contact solver weighs them against the wrench.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from kincast.models.contact_forces import GRAVITY
from kincast.models.feet_motion import FeetMotion

LEAST_WIDTH_M = 0.12
_HEIGHT_M, _SPEED_M_S, _RISE_M_S = 0.03, 0.3, 0.3
_LIFTED_M, _SWINGING_M_S = 0.05, 0.5
_LEAN_LIMIT = 0.35

# Printed by tests/bench/load_expectation_fit.py. Order of the features below; per part: heel, ball, toe tip.
# They move with the fits that the script is fed with: those it printed at the end of 2026-11-20 (two flat feet 0.874
# instead of 0.174, the others by 0.08 or, two of them, 0.2 at most) were not taken, for three of five trials of
# tests/bench/kinetics_accuracy.py then have 0.2 % body weight more error of vertical force, and two 0.04 less.
SHARE_COEFFICIENTS = np.array(
    [
        *(-0.076, -0.080, 0.161),  # height
        *(-0.388, -0.292, -0.375),  # speed
        *(0.493, 0.254, -0.091),  # rise
        *(-0.341, -0.529, -0.614),  # high and fast
        *(3.732, -0.318, 0.174),  # centre of mass: place, going, place over two flat feet
    ]
)
PLACE_COEFFICIENTS = np.array([0.534, 0.776, 0.159, -0.193, 0.021, 0.107])


def share_features(feet: FeetMotion) -> Float64[np.ndarray, "feature"]:
    """Odd under an exchange of the feet, so that there is no intercept."""
    height = np.maximum(feet.height, 0.0)
    per_foot = np.concatenate(
        [
            np.log1p((height / _HEIGHT_M) ** 2),
            np.log1p((feet.speed / _SPEED_M_S) ** 2),
            np.tanh(feet.rise / _RISE_M_S),
            np.tanh(height / _LIFTED_M) * np.tanh(feet.speed / _SWINGING_M_S),
        ],
        axis=1,
    )
    apart = feet.middle[0] - feet.middle[1]
    width = max(float(np.hypot(*apart)), LEAST_WIDTH_M)
    along = apart / width**2
    place = float(np.clip((feet.com[:2] - feet.middle.mean(axis=0)) @ along, -1.5, 1.5))
    frequency = np.sqrt(GRAVITY / max(float(feet.com[2]), 0.4))
    going = float(np.clip(feet.com_velocity @ along / frequency, -1.5, 1.5))
    heels_down = float(np.prod(1.0 / (1.0 + (height[:, 0] / _HEIGHT_M) ** 2)))
    return np.concatenate([per_foot[0] - per_foot[1], [place, going, place * heels_down]])


def place_features(feet: FeetMotion) -> Float64[np.ndarray, "2 feature"]:
    """Per foot."""
    lean = ((feet.hip - feet.ankle) * feet.forward).sum(axis=1) / max(float(feet.com[2]), 0.4)
    return np.stack(
        [
            np.ones(2),
            np.clip(lean, -_LEAN_LIMIT, _LEAN_LIMIT),
            np.tanh(feet.height[:, 0] / _HEIGHT_M),
            np.tanh(feet.height[:, 1] / _HEIGHT_M),
            np.tanh(feet.rise[:, 0] / _RISE_M_S),
            np.tanh(feet.rise[:, 1] / _RISE_M_S),
        ],
        axis=1,
    )


def expected_share(feet: FeetMotion) -> float:
    """Share of the right foot in the load of both."""
    score = float(share_features(feet) @ SHARE_COEFFICIENTS)
    return float(1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0))))


def expected_place(feet: FeetMotion) -> Float64[np.ndarray, "2"]:
    """Centre of pressure along each sole, from the heel (m)."""
    return np.clip(place_features(feet) @ PLACE_COEFFICIENTS, 0.0, 1.0) * feet.length
