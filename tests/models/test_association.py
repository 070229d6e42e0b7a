"""Association of people over cameras and left/right leg exchanges, on views projected by OpenCV."""

import cv2
import numpy as np
import pytest

from kincast.models.association import associate, exchange_legs, leg_swapped
from kincast.models.triangulation import triangulate
from tests.models.rig import uneven_ring

LEGS = ((11, 12), (13, 14), (15, 16), (20, 21), (22, 23), (24, 25))


def person(rng, at):
    """26 points of a standing figure's size, legs 0.2 m apart."""
    points = rng.uniform([-0.15, -0.25, 0.9], [0.15, 0.25, 1.75], (26, 3))
    for n, (left, right) in enumerate(LEGS):
        height = 0.9 - 0.17 * n if n < 3 else 0.04
        points[left] = [0.05 * n + 0.15, 0.1, height]
        points[right] = [0.05 * n - 0.15, -0.1, height]
    return points + at


def project(cameras, points, rng, noise_px=2.5):
    out = np.zeros((len(cameras), len(points), 3))
    for c, camera in enumerate(cameras):
        pixels, _ = cv2.projectPoints(
            points, camera.rotation, camera.translation, camera.matrix, camera.distortions
        )
        out[c, :, :2] = pixels[:, 0] + rng.normal(0, noise_px, (len(points), 2))
    out[..., 2] = 0.9
    return out


@pytest.mark.parametrize("n_cameras", [2, 4, 8, 16])
def test_three_people_in_shuffled_order_are_told_apart(n_cameras):
    rng = np.random.default_rng(n_cameras)
    cameras = uneven_ring(n_cameras, places=5)
    views = [project(cameras, person(rng, at), rng) for at in ([0, 0, 0], [0.9, 0.4, 0], [-0.7, 0.8, 0])]
    views[2][: n_cameras // 2, ::2] = 0.0  # the third is half hidden: ranked last
    order = [rng.permutation(3) for _ in cameras]
    people = [np.stack([views[i][c] for i in order[c]]) for c in range(n_cameras)]
    found = associate(cameras, people)
    assert len(found) == 3
    for who in found:
        true = {int(order[c][i]) for c, i in enumerate(who.person_index) if i >= 0}
        assert len(true) == 1
        assert (who.person_index >= 0).sum() >= max(2, n_cameras - 1)
    last = found[-1].person_index
    assert {int(order[c][i]) for c, i in enumerate(last) if i >= 0} == {2}


def test_nobody_one_camera_and_strangers_give_no_person():
    rng = np.random.default_rng(0)
    cameras = uneven_ring(3, places=5)
    nobody = np.zeros((0, 26, 3))
    assert associate(cameras, [nobody] * 3) == ()
    one = project(cameras, person(rng, [0, 0, 0]), rng)
    assert associate(cameras, [one[:1], nobody, nobody]) == ()
    noise = [rng.uniform(0, 1000, (1, 26, 3)) for _ in cameras]
    for view in noise:
        view[..., 2] = 0.9
    assert associate(cameras, noise) == ()


def test_a_camera_that_sees_only_a_stranger_is_left_out():
    rng = np.random.default_rng(5)
    cameras = uneven_ring(4, places=5)
    me, stranger = (
        project(cameras, person(rng, [0, 0, 0]), rng),
        project(cameras, person(rng, [1.2, 0, 0]), rng),
    )
    people = [me[:1], me[1:2], me[2:3], stranger[3:4]]
    (found,) = associate(cameras, people)
    assert found.person_index.tolist() == [0, 0, 0, -1]


def test_leg_swaps_are_found_and_undone():
    rng = np.random.default_rng(3)
    cameras = uneven_ring(6, places=5)
    clean = np.stack([project(cameras, person(rng, [0.02 * t, 0, 0]), rng) for t in range(20)])
    truth = rng.random((20, 6)) < 0.1
    truth[:, :2] = False
    swapped = exchange_legs(clean, truth, LEGS)
    first = triangulate(cameras, swapped)
    said = leg_swapped(cameras, swapped, first.points, first.valid, LEGS)
    assert (said == truth).all()
    assert (exchange_legs(swapped, said, LEGS) == clean).all()


def test_a_bad_knee_is_no_leg_swap():
    rng = np.random.default_rng(4)
    cameras = uneven_ring(5, places=5)
    view = project(cameras, person(rng, [0, 0, 0]), rng)[None]
    view[:, 2, 13, :2] += 200.0
    points = triangulate(cameras, view)
    assert not leg_swapped(cameras, view, points.points, points.valid, LEGS).any()
