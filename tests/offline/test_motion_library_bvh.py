"""BVH files: positions worked out by hand, channel orders, refusals; the two rigs of the development data."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from kincast.offline.motion_library.bvh import RIGS, BvhFormatError, bvh_keypoints, positions, read_bvh
from kincast.offline.motion_library.sights import of_bvh

BVH = """HIERARCHY
ROOT hip
{
  OFFSET 1 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT lThigh
  {
    OFFSET 0 -2 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -4 0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0083333
0 0 0 0 0 0 0 0 0
10 20 30 90 0 0 0 90 0
0 0 0 30 40 50 0 0 0
"""


def written(folder: Path, text: str = BVH) -> Path:
    path = folder / "01_01.bvh"
    path.write_text(text)
    return path


def test_joints_by_hand(tmp_path: Path) -> None:
    bvh = read_bvh(written(tmp_path))
    assert bvh.frame_s == pytest.approx(1 / 120, rel=1e-4)
    found = positions(bvh, 0.01)

    def world(x: float, y: float, z: float) -> np.ndarray:
        return 0.01 * np.array([x, -z, y])

    np.testing.assert_allclose(found["hip"][:2], [world(1, 0, 0), world(11, 20, 30)])
    # a quarter about z: what points down (-y) points along x; then the thigh a quarter about its own x: from there to -z
    np.testing.assert_allclose(found["lThigh"][:2], [world(1, -2, 0), world(13, 20, 30)], atol=1e-15)
    np.testing.assert_allclose(found["lThigh end"][:2], [world(1, -6, 0), world(13, 20, 26)], atol=1e-12)
    # the order of the channels is the order of the turns: Rz Rx Ry applied to a point is Ry first
    z, x, y = np.deg2rad([30.0, 40.0, 50.0])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    np.testing.assert_allclose(
        found["lThigh"][2], world(*(rz @ rx @ ry @ [0, -2, 0] + [1, 0, 0])), atol=1e-12
    )


def test_a_packed_file_is_the_same(tmp_path: Path) -> None:
    plain = read_bvh(written(tmp_path))
    packed = tmp_path / "01_01.bvh.gz"
    packed.write_bytes(gzip.compress(BVH.encode()))
    np.testing.assert_array_equal(read_bvh(packed).values, plain.values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HIERARCHY",
        BVH.replace("HIERARCHY", "SCENE"),
        BVH.replace("Frames: 3", "Frames: 4"),
        BVH.replace("Frames: 3", "Frames: three"),
        BVH.replace("Frame Time: 0.0083333", "Frame Time: 0"),
        BVH.replace("OFFSET 0 -2 0", "OFFSET 0 -2"),
        BVH.replace("Xrotation", "Wrotation"),
        BVH.replace("JOINT lThigh", "JOINT hip"),
        BVH.replace("10 20 30", "10 nan 30"),
        BVH.replace("}\nMOTION", "MOTION"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(BvhFormatError, match=r"01_01\.bvh"):
        read_bvh(written(tmp_path, text))


def test_an_unknown_rig_is_refused_and_the_known_are_named(tmp_path: Path) -> None:
    found = positions(read_bvh(written(tmp_path)))
    with pytest.raises(BvhFormatError, match=r"rShldr|rThigh.*daz.*iclone"):
        bvh_keypoints(found, ("LHip",), "01_01.bvh")


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "rig", "thigh_m", "shank_m"),
    [
        ("cmu_mocap/bvh/002_01.bvh", "iclone", 0.4767, 0.4982),
        ("cmu_mocap_more/bvh/08_05.bvh", "daz", 0.3683, 0.4540),
    ],
)
def test_rigs_of_the_development_data(
    data_dir: Path, file: str, rig: str, thigh_m: float, shank_m: float
) -> None:
    sight = of_bvh(data_dir / file, 2)
    points = sight.observations.markers
    assert points is not None
    from kincast.models.body.sites import sites_of

    names = list(sites_of("HALPE_26"))
    at = {n: points[:, names.index(n), :3] for n in RIGS[rig]}
    assert all(points[:, names.index(n), 3].min() == 1.0 for n in RIGS[rig])
    for side in "LR":
        thigh = np.linalg.norm(at[f"{side}Hip"] - at[f"{side}Knee"], axis=1)
        shank = np.linalg.norm(at[f"{side}Knee"] - at[f"{side}Ankle"], axis=1)
        np.testing.assert_allclose(thigh, thigh_m, atol=2e-3)
        np.testing.assert_allclose(shank, shank_m, atol=2e-3)
        # upright all the time: hips over knees over ankles
        assert (at[f"{side}Hip"][:, 2] > at[f"{side}Knee"][:, 2]).all()
    # one who walks forward has the left hip on the left
    forward = at["LHip"][-1, :2] - at["LHip"][0, :2]
    across = (at["LHip"] - at["RHip"]).mean(axis=0)
    assert forward[0] * across[1] - forward[1] * across[0] > 0
