"""Settings of the live fit."""

from __future__ import annotations

from dataclasses import dataclass, field

from kincast.models.detector_noise import DetectorNoiseConfig
from kincast.models.window_model import SolverConfig, SolverTuning
from kincast.streaming.camera_trust import CameraTrustConfig
from kincast.streaming.limb_watch import LimbWatchConfig
from kincast.streaming.rig_watch import RigWatchConfig


@dataclass(frozen=True)
class FitterConfig:
    """Settings of the live fit.

    Attributes:
        settle_lag_s: a pose is handed out for good when it is at most this old; rounded down to whole snapshots.
        iterations: Levenberg-Marquardt steps per snapshot.
        starting_iterations, starting_snapshots: as many in each of the first snapshots after a (re)start: spread,
            so that none is held up.
        min_keypoints: a picture shows somebody if it has that many usable keypoints.
        same_person: a detection is the person followed if its median distance from the prediction is
            below this share of the person's apparent size (the diagonal of the predicted keypoints).
        explained: a keypoint is explained if it lies within this share of the person's apparent size.
        lost_share: the person is lost when less than this share of the detected keypoints is explained ...
        lost_after_s: ... for that long, or when too few views came for that long.
        max_gap_s: a longer pause between snapshots restarts the search.
        search_over_s: pictures at most this old take part in a search.
        frame_period_s: assumed between snapshots as long as there was only one.
    """

    solver: SolverConfig = field(default_factory=SolverConfig)
    tuning: SolverTuning = field(default_factory=SolverTuning)
    noise: DetectorNoiseConfig = field(default_factory=DetectorNoiseConfig)
    trust: CameraTrustConfig = field(default_factory=CameraTrustConfig)
    limbs: LimbWatchConfig = field(default_factory=LimbWatchConfig)
    rig: RigWatchConfig = field(default_factory=RigWatchConfig)
    settle_lag_s: float = 0.0505
    iterations: int = 1
    starting_iterations: int = 5
    starting_snapshots: int = 3
    damping: float = 1e-4
    min_keypoints: int = 4
    same_person: float = 0.25
    explained: float = 0.04
    lost_share: float = 0.4
    lost_after_s: float = 0.4
    max_gap_s: float = 0.5
    search_over_s: float = 0.06
    frame_period_s: float = 1.0 / 60.0
