"""Motion library: what is written comes back, what cannot be a person's motion stays out, mirrors and copies are true ones."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from kincast.models.body import BodyParameters, build_body
from kincast.models.coordinates import COORDINATES, JOINT_COORDINATES, pose_from_coordinates
from kincast.models.differentiation import MotionState
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.offline.motion_library.build import RawMotion, build_library, judged, tracked_parts
from kincast.offline.motion_library.clip import Clip, ClipForces, Origin, Support
from kincast.offline.motion_library.from_results import motions_of_results
from kincast.offline.motion_library.gates import GateConfig
from kincast.offline.motion_library.index import INDEX, Library, LibraryFormatError, split_of
from kincast.offline.motion_library.reference import reference_of
from kincast.offline.motion_library.smooth import smooth_motion
from kincast.offline.motion_library.storage import ClipFormatError, read_clip, write_clip
from kincast.offline.motion_library.transforms import (
    faster,
    larger,
    mirrored,
    mirrored_body,
    sampled,
    time_warped,
)
from kincast.offline.truth import TruthForces
from tests.offline.written_session import MASS_KG, Walk, results, write

LOPSIDED = BodyParameters(
    scales={"overall": 1.05, "thigh_r": 0.93, "arm_l": 1.1, "shank_foot_l": 1.04},
    mass_kg=81.0,
    site_offsets={"LKnee": (0.01, 0.02, 0.03), "Nose": (0.0, 0.01, 0.0)},
    mass_factors={"tibia_r": 0.6},
)
ORIGIN = Origin("a recording", "0" * 64, "refit", "CC BY 4.0")


def swaying(seconds: float = 1.6, rate: float = 50.0, body: BodyParameters = LOPSIDED) -> RawMotion:
    """A person who stands, bends and turns a little, smoothly; feet stay near the floor."""
    t_ns = np.round(np.arange(0.0, seconds, 1.0 / rate) * 1e9).astype(np.int64)
    c = np.zeros((len(t_ns), 40))
    phase = 2 * np.pi * 0.7 * t_ns * 1e-9
    c[:, COORDINATES.index("pelvis_ty")] = 0.97
    c[:, COORDINATES.index("pelvis_tx")] = 0.05 * np.sin(phase)
    c[:, COORDINATES.index("pelvis_rotation")] = 0.3 + 0.1 * np.sin(phase)
    for k, name in enumerate(
        ("hip_flexion_r", "knee_angle_l", "arm_add_r", "lumbar_bending", "neck_rotation")
    ):
        c[:, COORDINATES.index(name)] = 0.1 + 0.08 * np.sin(phase + k)
    q = np.stack([np.asarray(pose_from_coordinates(row)) for row in c])
    return RawMotion("sway", "somebody", body, t_ns, q, ORIGIN, 0.0)


def clip_of(motion: RawMotion) -> Clip:
    found = judged(motion).clip
    assert found is not None
    rows = len(found.t_ns)
    rng = np.random.default_rng(3)
    forces = ClipForces(
        rng.normal(size=(rows, 2, 3)).astype(np.float32),
        rng.normal(size=(rows, 2, 3)).astype(np.float32),
        rng.random((rows, 2)) < 0.5,
        rng.random((rows, 2)) < 0.7,
    )
    return replace(found, forces=forces, support=Support("cane", "r", rng.random(rows).astype(np.float32)))


@lru_cache(maxsize=2)
def the_clip(seconds: float = 1.6) -> Clip:
    return clip_of(swaying(seconds))


def equal(a: Clip, b: Clip) -> bool:
    assert a.forces is not None
    assert b.forces is not None
    assert a.support is not None
    assert b.support is not None
    return (
        a.body.sha256 == b.body.sha256
        and (a.name, a.person, a.origin) == (b.name, b.person, b.origin)
        and all(
            np.array_equal(getattr(a, n), getattr(b, n))
            for n in ("t_ns", "q", "sole_drop_m", "ground_velocity_m_s")
        )
        and all(
            np.array_equal(getattr(a.forces, n), getattr(b.forces, n))
            for n in ("force", "cop", "measured", "known")
        )
        and (a.support.kind, a.support.side) == (b.support.kind, b.support.side)
        and np.array_equal(a.support.share, b.support.share)
    )


def test_a_clip_comes_back_as_it_was_written(tmp_path: Path) -> None:
    clip = the_clip()
    for path in (tmp_path / "a.npz", tmp_path / "b.npz"):
        write_clip(path, clip)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert equal(read_clip(tmp_path / "a.npz"), clip)


@pytest.mark.parametrize("damage", ["cut", "text", "version", "nan"])
def test_what_is_no_clip_is_refused(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = the_clip()
    path = tmp_path / "a.npz"
    if damage == "nan":
        q = clip.q.copy()
        q[3, 7] = np.nan
        clip = replace(clip, q=q)
    if damage == "version":
        monkeypatch.setattr("kincast.offline.motion_library.storage.VERSION", 99)
    write_clip(path, clip)
    monkeypatch.undo()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:700])
    if damage == "text":
        path.write_text("no archive")
    with pytest.raises(ClipFormatError, match=str(path)):
        read_clip(path)


def test_mirrored_twice_is_the_same_and_once_is_the_mirror_image() -> None:
    clip = the_clip()
    once = mirrored(clip)
    twice = mirrored(once)
    assert equal(replace(twice, name=clip.name, origin=clip.origin), clip)
    # independent: every segment of the mirrored body in the mirrored pose lies where the mirror shows the other side's
    places = []
    for c in (clip, once):
        body = build_body(c.body)
        dynamics = InverseDynamics(body)
        still = np.zeros(40)
        dynamics.set_motion(MotionState(0, c.q[20].astype(np.float64), still, still, still, still, still))
        names = [body.mj_model.body(b).name for b in range(1, body.mj_model.nbody)]
        places.append({n: dynamics.data.xipos[body.mj_model.body(n).id] for n in names})
        total = body.mj_model.body_mass.sum()
    assert total == pytest.approx(81.0)
    for name, place in places[0].items():
        other = name[:-2] + {"_r": "_l", "_l": "_r"}[name[-2:]] if name[-2:] in ("_r", "_l") else name
        np.testing.assert_allclose(places[1][other], place * (1, -1, 1), atol=1e-6)


def test_mirrored_bodies_keep_offsets_of_paired_and_midline_sites() -> None:
    offsets = mirrored_body(LOPSIDED).site_offsets
    assert offsets == {"RKnee": (0.01, 0.02, -0.03), "Nose": (0.0, 0.01, -0.0)}


def test_a_larger_person_needs_similar_forces_and_a_faster_one_has_none() -> None:
    clip = the_clip()
    big = larger(clip, 1.21)

    def demanded(c: Clip) -> np.ndarray:
        q = c.q.astype(np.float64)
        motion = smooth_motion(c.t_ns, q, 4.0 / np.sqrt(c.seconds / clip.seconds) ** 2).motion(c.t_ns)
        dynamics = InverseDynamics(build_body(c.body))
        i, z = len(q) // 2, np.zeros(40)
        return dynamics.demanded_wrench(
            dynamics.set_motion(MotionState(0, motion.q[i], motion.v[i], motion.a[i], z, z, z))
        )

    small, large = demanded(clip), demanded(big)
    np.testing.assert_allclose(large[:3], small[:3] * 1.21**3, rtol=2e-3, atol=1.0)
    np.testing.assert_allclose(large[3:], small[3:] * 1.21**4, rtol=5e-3, atol=1.0)
    assert big.body.mass_kg == pytest.approx(81.0 * 1.21**3)
    assert big.seconds == pytest.approx(1.1 * clip.seconds, rel=1e-6)
    quick = faster(clip, 1.25)
    assert quick.forces is None
    assert quick.seconds == pytest.approx(clip.seconds / 1.25, rel=1e-6)
    assert quick.origin.changes == ("faster 1.25",)


def test_a_warped_clip_goes_the_same_way_at_a_speed_that_swells_and_ebbs() -> None:
    clip = the_clip(3.0)
    warped = time_warped(clip, 0.2, period_s=1.0)
    np.testing.assert_array_equal(warped.q, clip.q)
    assert warped.forces is None
    speed = np.diff(clip.t_ns) / np.diff(warped.t_ns)
    middle_s = 0.5 * (clip.t_ns[1:] + clip.t_ns[:-1]) * 1e-9
    np.testing.assert_allclose(speed, 1.0 + 0.2 * np.sin(2 * np.pi * middle_s), atol=2e-3)
    with pytest.raises(ValueError, match=r"0 to 0\.5"):
        time_warped(clip, 0.7)


@pytest.mark.parametrize("rate_hz", [25.0, 60.0, 120.0])
def test_a_clip_is_the_same_motion_at_any_rate(rate_hz: float) -> None:
    clip = the_clip(3.0)
    other = sampled(clip, rate_hz)
    np.testing.assert_allclose(np.diff(other.t_ns), 1e9 / rate_hz, atol=1.0)
    assert other.forces is not None
    assert len(other.forces.known) == len(other.t_ns)
    first, second = reference_of(clip), reference_of(other)
    rows = min(len(first.q), len(second.q))
    assert abs(len(first.q) - len(second.q)) <= 5
    np.testing.assert_allclose(second.q[:rows], first.q[:rows], atol=np.deg2rad(0.3))
    np.testing.assert_allclose(second.v[20 : rows - 20], first.v[20 : rows - 20], atol=0.02)


def through_floor(q: np.ndarray, t_s: np.ndarray) -> None:
    q[:, 2] -= 0.3 * np.exp(-(((t_s - 1.5) / 0.1) ** 2))


def too_fast(q: np.ndarray, t_s: np.ndarray) -> None:
    q[:, 7 + JOINT_COORDINATES.index("knee_angle_l")] += 1.2 * np.sin(2 * np.pi * 6.0 * t_s)


def jumping(q: np.ndarray, t_s: np.ndarray) -> None:
    q[t_s > 0.8, 0] += 2.0


def flying(q: np.ndarray, t_s: np.ndarray) -> None:
    q[t_s > 0.4, 2] += np.minimum(0.5, t_s[t_s > 0.4] - 0.4)


def unlike(q: np.ndarray, t_s: np.ndarray) -> None:
    q[:, 7 + JOINT_COORDINATES.index("knee_angle_r")] = -0.8


def seated(q: np.ndarray, t_s: np.ndarray) -> None:
    for side in "rl":
        for name, degrees in (("hip_flexion", 90.0), ("knee_angle", 90.0), ("ankle_angle", 0.0)):
            q[:, 7 + JOINT_COORDINATES.index(f"{name}_{side}")] = np.deg2rad(degrees)
    q[:, 2] = 0.5


def nothing(q: np.ndarray, t_s: np.ndarray) -> None:
    q[7] = np.nan


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (through_floor, "through_floor"),
        (too_fast, "speed"),
        (jumping, "jump"),
        (flying, "airborne"),
        (unlike, "angle"),
        (seated, "supported"),
        (nothing, "not_finite"),
    ],
)
def test_impossible_motions_stay_out_with_a_reason(spoil, code: str) -> None:
    motion = swaying(3.0)
    q = motion.q.copy()
    spoil(q, motion.t_ns * 1e-9)
    found = judged(replace(motion, q=q))
    assert found.clip is None
    assert code in [r.code for r in found.reasons]


def test_gaps_cut_a_motion_and_pieces_too_short_stay_out() -> None:
    motion = swaying(3.0)
    tracked = np.ones(len(motion.t_ns), bool)
    tracked[20:50] = False
    pieces = list(tracked_parts(motion, tracked, GateConfig().gap_s))
    assert [p.name for p in pieces] == ["sway-1", "sway-2"]
    assert [r.code for r in judged(pieces[0]).reasons] == ["short"]
    assert judged(pieces[1]).clip is not None
    uncut = replace(motion, t_ns=motion.t_ns[tracked], q=motion.q[tracked])
    assert [r.code for r in judged(uncut).reasons] == ["gap"]


def test_a_clip_stands_on_the_floor_whatever_height_the_rig_gave_it() -> None:
    low = the_clip()
    motion = swaying()
    q = motion.q.copy()
    q[:, 2] += 0.31
    high = judged(replace(motion, q=q)).clip
    assert high is not None
    np.testing.assert_allclose(high.q, low.q, atol=1e-6)
    np.testing.assert_allclose(high.sole_drop_m, low.sole_drop_m, atol=1e-9)


def test_a_library_splits_people_and_says_what_it_left_out(tmp_path: Path) -> None:
    good, bad = swaying(), replace(swaying(0.5), name="stub")
    other = replace(good, person="somebody else")
    index = build_library([good, bad, other, good], tmp_path, {"somebody": "test", "somebody else": "train"})
    found = [(e.name, e.split) for e in index.entries]
    assert found == [("sway", "test"), ("sway", "train"), ("sway (2)", "test")]
    assert index.rejected[0].reasons[0].code == "short"
    library = Library(tmp_path)
    assert library.index == index
    assert [c.person for c in library.clips("train")] == ["somebody else"]
    assert split_of("somebody") == split_of("somebody")

    document = json.loads((tmp_path / INDEX).read_text())
    document["entries"][1]["person"] = "somebody"
    (tmp_path / INDEX).write_text(json.dumps(document))
    with pytest.raises(LibraryFormatError, match="two splits"):
        Library(tmp_path)
    document["entries"] = [dict(document["entries"][0], file="../../etc/passwd")]
    (tmp_path / INDEX).write_text(json.dumps(document))
    with pytest.raises(LibraryFormatError, match="outside the library"):
        Library(tmp_path)
    (tmp_path / INDEX).write_text(index.to_json())
    (tmp_path / index.entries[0].file).write_bytes(b"other")
    with pytest.raises(LibraryFormatError, match="not the file"):
        next(library.clips("test"))


def test_motions_come_out_of_a_results_folder_with_plates_before_estimates(tmp_path: Path) -> None:
    walk = Walk()
    session = results(walk)
    session.tracked[100:140] = False
    folder = write(tmp_path / "walk", walk, session)
    plate_s = walk.start_ns * 1e-9 + np.array([0.505, 1.505])
    force = np.zeros((2, 2, 3))
    force[:, 0, 2] = (100.0, 200.0)
    sees = np.array([[True, False]] * 2)
    plates = TruthForces(plate_s, force, np.full((2, 2, 3), 0.25), sees, np.zeros(2))
    first, second = motions_of_results(folder, "P017", licence="own", plates=plates)
    assert (len(first.t_ns), len(first.t_ns) + 40 + len(second.t_ns)) == (100, len(session.t_ns))
    assert (first.origin.method, first.body.mass_kg) == ("markers", MASS_KG)
    np.testing.assert_array_equal(second.t_ns, session.t_ns[140:])
    np.testing.assert_allclose(
        second.q,
        [np.asarray(pose_from_coordinates(c)) for c in _radians(session.coordinates[140:])],
        atol=1e-6,
    )
    assert first.forces is not None
    time_s = (first.t_ns - walk.start_ns) * 1e-9
    inside = (time_s >= 0.505) & (time_s <= 1.505)
    np.testing.assert_array_equal(first.forces.measured, np.stack([inside, np.zeros(100, bool)], axis=1))
    expected = np.where(inside, 100.0 + 100.0 * (time_s - 0.505), session.force[:100, 0, 2])
    np.testing.assert_allclose(first.forces.force[:, 0, 2], expected, atol=0.01)
    np.testing.assert_allclose(first.forces.force[:, 1], session.force[:100, 1], atol=0.01)


def _radians(coordinates: np.ndarray) -> np.ndarray:
    turning = [not name.endswith(("_tx", "_ty", "_tz")) for name in COORDINATES]
    return np.where(turning, np.deg2rad(coordinates), coordinates)
