"""A limb that stays off is noticed; a detector's passing error, a hidden limb and a hopeless rig are borne."""

import numpy as np

from kincast.streaming.limb_watch import LimbWatch, LimbWatchConfig

SIZE_PX = np.full(4, 500.0)
DT = 1 / 60


def run(watch: LimbWatch, seconds: float, error_px: np.ndarray, seen: np.ndarray) -> int:
    """How many new starts are asked for."""
    return sum(watch.caught(error_px, seen, SIZE_PX, DT) for _ in range(round(seconds / DT)))


def errors(foot_px: float) -> tuple[np.ndarray, np.ndarray]:
    error = np.full((4, 6), 4.0)
    error[:, 5] = foot_px
    return error, np.ones((4, 6), bool)


def test_a_foot_that_stays_off_asks_for_a_new_start_after_the_patience() -> None:
    watch = LimbWatch(6, LimbWatchConfig())
    assert run(watch, 0.28, *errors(60.0)) == 0
    assert run(watch, 0.06, *errors(60.0)) == 1


def test_passing_errors_one_bad_camera_and_a_hidden_foot_do_not() -> None:
    watch = LimbWatch(6, LimbWatchConfig())
    for _ in range(10):
        assert run(watch, 0.2, *errors(60.0)) == 0
        assert run(watch, 0.05, *errors(4.0)) == 0
    error, seen = errors(4.0)
    error[0] = 200.0
    assert run(watch, 5.0, error, seen) == 0
    error, seen = errors(60.0)
    seen[1:, 5] = False
    assert run(watch, 5.0, error, seen) == 0


def test_attempts_that_do_not_help_become_rare() -> None:
    assert run(LimbWatch(6, LimbWatchConfig()), 64.0, *errors(60.0)) <= 7
