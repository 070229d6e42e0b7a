"""The fixed structure for the 40-coordinate kinematics, read out of the compiled generic body."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import mujoco
import numpy as np

from kincast.models.body.build import build_spec
from kincast.models.body.coupling import Coupling, coupling_of
from kincast.models.body.parameters import BodyParameters
from kincast.models.body.scaling import scale_row
from kincast.models.body.segments import SCALES
from kincast.models.body.sites import sites_of
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.kinematics import PELVIS_NODE, WORLD_NODE, Skeleton

_UNLIMITED = (-np.inf, np.inf)
_ITSELF = np.array([0.0, 1.0, 0.0, 0.0, 0.0])  # the angle is the coordinate


@dataclass(frozen=True)
class _Node:
    """One joint axis; fields as the columns ``node_*`` of :class:`Skeleton`."""

    parent: int = WORLD_NODE
    axis: np.ndarray = field(default_factory=lambda: np.zeros(3))
    coordinate: int = 0
    motion: np.ndarray = field(default_factory=lambda: np.zeros((4, 5)))
    range: tuple[float, float] = _UNLIMITED
    pos: np.ndarray = field(default_factory=lambda: np.zeros(3))
    scale: np.ndarray = field(default_factory=lambda: np.zeros(len(SCALES)))


@lru_cache(maxsize=16)
def skeleton_of(site_set: str) -> Skeleton:
    """Skeleton of the generic body with the sites of one keypoint or marker set, in the set's order."""
    model = build_spec(BodyParameters(), "torque", site_set).compile()
    bodies = [model.body(b).name for b in range(1, model.nbody)]
    nodes, last_node, centre = _nodes(model, coupling_of(model))
    sites = sites_of(site_set)
    segments = [segment for segment, _ in sites.values()]
    site_node = np.array([last_node[segment] for segment in segments])
    patellae = {last_node[body] for body in bodies if body.startswith("patella")}
    coordinate_nodes, site_mask = _driven(nodes, site_node, patellae)
    return Skeleton(
        body_names=tuple(bodies),
        site_names=tuple(sites),
        site_bodies=tuple(segments),
        node_parent=np.array([n.parent for n in nodes]),
        node_axis=np.array([n.axis for n in nodes]),
        node_coordinate=np.array([n.coordinate for n in nodes]),
        node_motion=np.array([n.motion for n in nodes]),
        node_range=np.array([n.range for n in nodes]),
        node_pos=np.array([n.pos for n in nodes]),
        node_scale=np.array([n.scale for n in nodes]),
        body_node=np.array([last_node[b] for b in bodies]),
        body_pos=np.array([-centre[b] for b in bodies]),
        body_scale=np.array([scale_row(b) for b in bodies]),
        site_node=site_node,
        site_pos=np.array([np.array(place) - centre[segment] for segment, place in sites.values()]),
        site_scale=np.array([scale_row(segment) for segment in segments]),
        coordinate_nodes=coordinate_nodes,
        site_mask=site_mask,
    )


def _nodes(
    model: mujoco.MjModel, coupling: Coupling
) -> tuple[list[_Node], dict[str, int], dict[str, np.ndarray]]:
    """Nodes of the body tree, the last node of every body, and the centre of its rotations in its own frame."""
    coupled = {int(model.dof_jntid[dof]): i for i, dof in enumerate(coupling.coupled_dof)}
    nodes = [_Node(), _Node()]  # world and pelvis, which no joint coordinate moves
    last_node = {"world": WORLD_NODE, "pelvis": PELVIS_NODE}
    centre = {"world": np.zeros(3), "pelvis": np.zeros(3)}
    for b in range(1, model.nbody):
        body, above = model.body(b).name, model.body(model.body_parentid[b]).name
        if body == "pelvis":
            continue
        assert np.allclose(model.body_quat[b], (1, 0, 0, 0)), "segments are aligned in the neutral pose"
        joints = range(model.body_jntadr[b], model.body_jntadr[b] + model.body_jntnum[b])
        centre[body] = model.jnt_pos[joints[0]].copy()
        parent, slides = last_node[above], np.zeros((3, 5))
        pos = model.body_pos[b] + centre[body] - centre[above]
        for j in joints:
            assert np.allclose(model.jnt_pos[j], centre[body]), "a segment turns about one point"
            if j in coupled:
                polynomial = coupling.coefficients[coupled[j]]
                driver = int(coupling.driver[coupled[j]])
            else:
                polynomial, driver = _ITSELF, JOINT_COORDINATES.index(model.joint(j).name)
            if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE:
                slides += np.outer(model.jnt_axis[j], polynomial)  # before any hinge, so in the parent's axes
                continue
            limited = j in coupled or np.any(slides)
            nodes.append(
                _Node(
                    parent=parent,
                    axis=model.jnt_axis[j].copy(),
                    coordinate=driver,
                    motion=np.concatenate([polynomial[None], slides]),
                    range=tuple(coupling.range) if limited else _UNLIMITED,
                    pos=pos,
                    scale=scale_row(above),
                )
            )
            parent, pos, slides = len(nodes) - 1, np.zeros(3), np.zeros((3, 5))
        last_node[body] = parent
    return nodes, last_node, centre


def _driven(nodes: list[_Node], site_node: np.ndarray, patellae: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Per joint coordinate, the nodes it drives above the sites, and which sites it moves. Patellae carry no site."""
    ancestors = [_ancestors(nodes, n) for n in range(len(nodes))]
    coordinate_nodes = np.zeros((len(JOINT_COORDINATES), 3), int)
    site_mask = np.zeros((len(site_node), len(JOINT_COORDINATES)))
    for c in range(len(JOINT_COORDINATES)):
        driven = [n for n in range(2, len(nodes)) if nodes[n].coordinate == c and n not in patellae]
        coordinate_nodes[c, : len(driven)] = driven
        for s, node in enumerate(site_node):
            moved = [n in ancestors[node] for n in driven]
            assert all(moved) or not any(moved), "a coupled joint moves a site as a whole or not at all"
            site_mask[s, c] = float(all(moved))
    return coordinate_nodes, site_mask


def _ancestors(nodes: list[_Node], node: int) -> set[int]:
    found = {node}
    while node != WORLD_NODE:
        node = nodes[node].parent
        found.add(node)
    return found
