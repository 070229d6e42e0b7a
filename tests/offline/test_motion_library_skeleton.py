"""Skeleton files: positions worked out by hand, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kincast.offline.motion_library.skeleton import SkeletonFormatError, keypoints, read_amc, read_asf

ASF = """# a leg
:version 1.10
:units
  mass 1.0
  length 0.5
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name lhipjoint
     direction 1 0 0
     length 2.0
     axis 0 0 0  XYZ
  end
  begin
     id 2
     name lfemur
     direction 0 -1 0
     length 8.0
     axis 0 0 90  XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
:hierarchy
  begin
    root lhipjoint
    lhipjoint lfemur
  end
"""
AMC = """#!
:FULLY-SPECIFIED
:DEGREES
1
root 10 20 30 0 0 0
lfemur 0 0 0
2
root 10 20 30 0 90 0
lfemur 0 90 0
"""
UNIT_M = 0.0254 / 0.5


def written(folder: Path, asf: str = ASF, amc: str = AMC) -> tuple[Path, Path]:
    (folder / "01.asf").write_text(asf)
    (folder / "01_01.amc").write_text(amc)
    return folder / "01.asf", folder / "01_01.amc"


def test_joint_centres_by_hand(tmp_path: Path) -> None:
    asf, amc = written(tmp_path)
    ends = read_amc(amc, read_asf(asf))

    def world(x: float, y: float, z: float) -> list[float]:
        return [UNIT_M * x, -UNIT_M * z, UNIT_M * y]

    np.testing.assert_allclose(ends["root"], [world(10, 20, 30)] * 2)
    # the root turns a quarter about the vertical: what pointed along x points along -z
    np.testing.assert_allclose(ends["lhipjoint"], [world(12, 20, 30), world(10, 20, 28)], atol=1e-12)
    # its thigh turns a quarter about its own y axis, which lies along the root's -x: from down to forward (z), then with the root to x
    np.testing.assert_allclose(ends["lfemur"], [world(12, 12, 30), world(18, 20, 28)], atol=1e-12)
    points = keypoints(ends, ("Nose", "LHip", "LKnee"))
    np.testing.assert_array_equal(points[..., 3], [[0, 1, 1]] * 2)
    np.testing.assert_allclose(points[:, 1, :3], ends["lhipjoint"])


@pytest.mark.parametrize(
    ("asf", "amc"),
    [
        (ASF.replace(":hierarchy", ":other"), AMC),
        (ASF.replace("length 8.0", "length long"), AMC),
        (ASF.replace("root lhipjoint", "nobody lhipjoint"), AMC),
        (ASF, AMC.replace("lfemur 0 90 0", "lfemur 0 90")),
        (ASF, AMC.replace("root 10 20 30 0 90 0", "")),
        (ASF, ""),
        ("", AMC),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, asf: str, amc: str) -> None:
    paths = written(tmp_path, asf, amc)
    with pytest.raises(SkeletonFormatError, match=r"01(_01)?\.a"):
        read_amc(paths[1], read_asf(paths[0]))
