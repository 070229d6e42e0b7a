"""A reference made to ask of the ground what it can give: a known wobble goes, a slow lean stays."""

from __future__ import annotations

import numpy as np

from kincast.models.twin.balance import balanced, least_shift
from kincast.models.twin.contact_plan import ContactPlan
from kincast.models.twin.model import CONTROL_HZ, Twin
from kincast.models.twin.reference import Reference
from tests.models.twin_people import person, swaying, twin


def test_a_fast_force_is_shifted_away_and_a_slow_one_stays() -> None:
    time_s = np.arange(4 * CONTROL_HZ) / CONTROL_HZ
    fast, slow = 2 * np.pi * 3.0, 2 * np.pi * 0.25
    lacking = np.stack([0.7 * np.sin(fast * time_s), 0.1 * np.sin(slow * time_s)], axis=1)
    shift = least_shift(lacking, 0.7)
    middle = slice(CONTROL_HZ, 3 * CONTROL_HZ)
    np.testing.assert_allclose(shift[middle, 0], 0.7 / fast**2 * np.sin(fast * time_s)[middle], atol=2e-4)
    # the least shift of a pure tone: lacking w^2 / (w^4 + (2 pi f)^4)
    tamed = 0.1 * slow**2 / (slow**4 + (2 * np.pi * 0.7) ** 4)
    np.testing.assert_allclose(shift[middle, 1], tamed * np.sin(slow * time_s)[middle], atol=4e-4)


def test_the_least_shift_is_the_least_squares_solution() -> None:
    rows = 40
    lacking = np.random.default_rng(5).normal(size=(rows, 2))
    bend = CONTROL_HZ**2 * (np.eye(rows)[2:] - 2 * np.eye(rows)[1:-1] + np.eye(rows)[:-2])
    leash = (2 * np.pi * 1.3) ** 2 * np.eye(rows)
    dense = np.linalg.lstsq(
        np.vstack([bend, leash]), np.vstack([-lacking[1:-1], np.zeros((rows, 2))]), rcond=None
    )[0]
    np.testing.assert_allclose(least_shift(lacking, 1.3), dense, rtol=1e-5, atol=1e-9)


def residual_of(made: Twin, reference: Reference) -> np.ndarray:
    """Horizontal force (body weights) that the feet leave."""
    plan = ContactPlan(made)
    found = []
    for q, v, a in zip(reference.q, reference.v, reference.a, strict=True):
        planned = plan.plan(np.asarray(q), np.asarray(v), np.asarray(a), np.asarray(q), np.asarray(v))
        found.append((planned.demanded - planned.feet)[:2] / made.weight_N)
    return np.array(found)


def test_a_wobble_of_the_fit_is_taken_out_of_a_reference() -> None:
    made, calm = twin(), swaying(person(), 1.0, sway_rad=0.0)
    time_s = np.arange(len(calm.q)) / CONTROL_HZ
    omega, size_m = 2 * np.pi * 5.0, 0.003
    q, v, a = (np.array(x) for x in (calm.q, calm.v, calm.a))
    q[:, 0] += size_m * np.sin(omega * time_s)
    v[:, 0] += size_m * omega * np.cos(omega * time_s)
    a[:, 0] -= size_m * omega**2 * np.sin(omega * time_s)
    wobbling = calm._replace(q=q, v=v, a=a)
    found = balanced(made, wobbling)
    inner = slice(12, -12)
    before, after = (np.sqrt(np.mean(residual_of(made, r)[inner] ** 2)) for r in (wobbling, found))
    assert after < 0.3 * before
    # beside what standing itself asks for
    left = np.asarray(found.q)[inner, 0] - np.asarray(balanced(made, calm).q)[inner, 0]
    assert np.abs(left - left.mean()).max() < 0.5 * size_m
    np.testing.assert_array_equal(np.asarray(found.q)[:, 2:], q[:, 2:])
    short = Reference(*(x[:5] for x in wobbling))
    np.testing.assert_array_equal(balanced(made, short).q, short.q)
