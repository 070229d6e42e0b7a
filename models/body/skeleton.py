"""The fixed structure for the 40-coordinate kinematics, read out of the compiled generic body."""

from __future__ import annotations

from functools import lru_cache

import mujoco
import numpy as np

from kincast.models.body.build import build_spec
from kincast.models.body.coupling import coupling_of
from kincast.models.body.parameters import BodyParameters
from kincast.models.body.scaling import scale_row
from kincast.models.body.sites import sites_of
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.kinematics import PELVIS_NODE, WORLD_NODE, Skeleton


@lru_cache(maxsize=16)
def skeleton_of(site_set: str) -> Skeleton:
    """Skeleton of the generic body with the sites of one keypoint or marker set, in the set's order."""
    model = build_spec(BodyParameters(), "torque", site_set).compile()
    coupling = coupling_of(model)
    coupled = {int(model.dof_jntid[d]): i for i, d in enumerate(coupling.coupled_dof)}
    coordinate_of = {name: i for i, name in enumerate(JOINT_COORDINATES)}

    parent, axis, coordinate, motion, limits, pos, scale = [0, 0], [[0.0] * 3] * 2, [0, 0], [], [], [], []
    for _ in range(2):  # world and pelvis do not move with a joint coordinate
        motion.append(np.zeros((4, 5)))
        limits.append((-np.inf, np.inf))
        pos.append(np.zeros(3))
        scale.append(np.zeros(8))
    last_node = {"world": WORLD_NODE, "pelvis": PELVIS_NODE}
    centre = {"world": np.zeros(3), "pelvis": np.zeros(3)}  # of a segment's rotations, in the segment
    bodies = [model.body(b).name for b in range(1, model.nbody)]
    for b, body in enumerate(bodies, start=1):
        if body == "pelvis":
            continue
        above = model.body(model.body_parentid[b]).name
        assert np.allclose(model.body_quat[b], [1, 0, 0, 0]), body
        first, count = model.body_jntadr[b], model.body_jntnum[b]
        centre[body] = model.jnt_pos[first].copy()
        node_parent, slides = last_node[above], np.zeros((3, 5))
        node_pos = model.body_pos[b] + centre[body] - centre[above]
        for j in range(first, first + count):
            assert np.allclose(model.jnt_pos[j], centre[body]), "a segment turns about one point"
            name = model.joint(j).name
            if j in coupled:
                polynomial = coupling.coefficients[coupled[j]]
                driver, reach = int(coupling.driver[coupled[j]]), tuple(coupling.range)
            else:
                polynomial, driver, reach = (
                    np.array([0.0, 1, 0, 0, 0]),
                    coordinate_of[name],
                    (-np.inf, np.inf),
                )
            if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE:
                slides += np.outer(model.jnt_axis[j], polynomial)  # before any hinge, so in the parent's axes
                continue
            if np.any(slides):
                reach = tuple(coupling.range)
            node = len(parent)
            parent.append(node_parent)
            axis.append(list(model.jnt_axis[j]))
            coordinate.append(driver)
            motion.append(np.concatenate([polynomial[None], slides]))
            limits.append(reach)
            pos.append(node_pos)
            scale.append(scale_row(above))
            node_parent, node_pos, slides = node, np.zeros(3), np.zeros((3, 5))
        last_node[body] = node_parent

    node_parent = np.array(parent)
    ancestors = [_ancestors(node_parent, n) for n in range(len(node_parent))]
    sites = sites_of(site_set)
    site_node = np.array([last_node[segment] for segment, _ in sites.values()])
    drives = [[n for n in range(2, len(parent)) if coordinate[n] == c] for c in range(len(JOINT_COORDINATES))]
    patella = {n for body in bodies if body.startswith("patella") for n in [last_node[body]]}
    coordinate_nodes = np.zeros((len(JOINT_COORDINATES), 3), int)
    site_mask = np.zeros((len(sites), len(JOINT_COORDINATES)))
    for c, nodes in enumerate(drives):
        above_sites = [n for n in nodes if n not in patella]
        coordinate_nodes[c, : len(above_sites)] = above_sites
        for s, node in enumerate(site_node):
            moved = [n in ancestors[node] for n in above_sites]
            assert all(moved) or not any(moved)
            site_mask[s, c] = float(all(moved))
    return Skeleton(
        body_names=tuple(bodies),
        site_names=tuple(sites),
        site_bodies=tuple(segment for segment, _ in sites.values()),
        node_parent=node_parent,
        node_axis=np.array(axis, float),
        node_coordinate=np.array(coordinate),
        node_motion=np.array(motion),
        node_range=np.array(limits),
        node_pos=np.array(pos),
        node_scale=np.array(scale),
        body_node=np.array([last_node[b] for b in bodies]),
        body_pos=np.array([-centre[b] for b in bodies]),
        body_scale=np.array([scale_row(b) for b in bodies]),
        site_node=site_node,
        site_pos=np.array([np.array(p) - centre[b] for b, p in sites.values()], float).reshape(-1, 3),
        site_scale=np.array([scale_row(segment) for segment, _ in sites.values()]).reshape(-1, 8),
        coordinate_nodes=coordinate_nodes,
        site_mask=site_mask,
    )


def _ancestors(parent: np.ndarray, node: int) -> set[int]:
    found = {node}
    while node != WORLD_NODE:
        node = int(parent[node])
        found.add(node)
    return found
