"""The live fit as a state machine: snapshots in, poses out; no clock, no socket, no exception in the loop.

Searching (:mod:`kincast.streaming.person_search`): a first pose is laid onto triangulated people, and the next
snapshot starts a window with it; the window converges over the first few snapshots. Tracking: per
camera the person nearest to the prediction is taken, the window solver moves on by one instant, cameras are
judged, and the pose that has reached the settling lag is handed out for good.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from kincast.models.body import Body
from kincast.models.camera import Camera
from kincast.models.coordinates import POSE_SIZE, VELOCITY_SIZE
from kincast.models.detector_noise import DetectorNoise
from kincast.models.errors import UserMistakeError
from kincast.models.fit_result import FitCode, FitResult, SettledPose, WindowState
from kincast.models.initial_pose import initial_pose, start_postures
from kincast.models.window_solver import WindowSolution
from kincast.streaming.camera_trust import CameraTrust
from kincast.streaming.detections import Detections
from kincast.streaming.fit_calls import FitCalls
from kincast.streaming.fit_statistics import camera_statistics
from kincast.streaming.fitter_config import FitterConfig
from kincast.streaming.instant import Instant
from kincast.streaming.limb_watch import LimbWatch
from kincast.streaming.person_search import PersonSearch
from kincast.streaming.rig_watch import RigWatch
from kincast.streaming.settling import Settling, settled_pose, unknown_pose
from kincast.streaming.snapshot import LateView, Snapshot

MAX_OFFSET_S = 0.1
"""A picture further from its snapshot's instant is treated as this far: velocities do not reach beyond."""
MIN_MARKERS = 6


class UnfitBodyError(UserMistakeError):
    """A body was handed in whose sites are not those of the session."""


class WindowFitter:
    """Fits one person. ``cameras`` may be empty when snapshots bring markers.

    Raises:
        UnfitBodyError: the body was built for another keypoint or marker set.
    """

    def __init__(
        self,
        body: Body,
        cameras: Sequence[Camera],
        keypoint_set: str,
        config: FitterConfig | None = None,
    ) -> None:
        if body.keypoint_set != keypoint_set:
            raise UnfitBodyError(f"body was built for {body.keypoint_set}, the session has {keypoint_set}")
        config = config or FitterConfig()
        self._config = config
        self._cameras = len(cameras)
        self._sites = len(body.sites)
        self._calls = FitCalls(body, cameras, config)
        self._detections = Detections(cameras, body.sites, config)
        self._search = PersonSearch(cameras, self._detections, config)
        self._settling = Settling(config)
        self._trust = CameraTrust(self._cameras, config.trust)
        self._noise = DetectorNoise(self._sites, config.noise)
        self._limbs = LimbWatch(self._sites, config.limbs)
        self._rig = RigWatch(cameras, config.rig)
        self._tracking = False
        self._instants: list[Instant] = []
        self._solution: WindowSolution | None = None
        self._last_qpos = start_postures()[0]
        self._found: tuple[np.ndarray, Instant] | None = None
        self._starting = 0
        self._place = 0
        self._bad_s = 0.0
        self._unseen_s = 0.0

    # ------------------------------------------------------------------ public

    def warm(self) -> None:
        """Compile everything the loop will call (seconds with a cold compilation cache)."""
        self._calls.warm()
        if self._cameras:
            points = self._calls.sites_m(start_postures()[0])
            initial_pose(self._calls.body, points.astype(float), np.ones(self._sites, bool))

    def step(self, snapshot: Snapshot) -> FitResult:
        """Take in one snapshot."""
        interval_s = self._settling.add(snapshot.seq, snapshot.t_ns)
        if interval_s > self._config.max_gap_s:
            self._tracking, self._found = False, None
        self._search.remember(snapshot)
        if self._tracking:
            for late in snapshot.late:
                self._take_late(late)
        elif self._found is not None:
            self._begin_window(*self._found)
        if self._tracking:
            instant, chosen = self._followed(snapshot, interval_s)
            code = self._advance(instant, interval_s)
        else:
            code, chosen = self._look(self._search.completed(snapshot))
        return self._result(snapshot, code, chosen)

    def swap_body(self, body: Body) -> None:
        """Use another body of the same person from the next snapshot on; nothing is compiled, no row is lost.

        Raises:
            UnfitBodyError: its sites are not those of the session.
        """
        current = self._calls.body
        if body.skeleton != current.skeleton:
            raise UnfitBodyError(
                f"body was built for {body.keypoint_set}, the session has {current.keypoint_set}"
            )
        self._calls.use(body)

    def flush(self) -> tuple[SettledPose, ...]:
        """The poses still lagging, at the end of the stream."""
        return self._settled(self._settling.rest())

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The calibration in use: as given, or with shifts of single cameras put right."""
        return self._rig.cameras

    @property
    def tracking(self) -> bool:
        """A person is being followed."""
        return self._tracking

    # ------------------------------------------------------------------ searching and tracking

    def _look(self, snapshot: Snapshot) -> tuple[FitCode, Int[np.ndarray, " camera"]]:
        """Search one snapshot. Whoever is found is followed from the next one on: both at once take longer than a picture lasts."""
        qpos, chosen, code = self._search.found(self._calls.body, snapshot)
        if qpos is None:
            return code, chosen
        person = np.zeros((self._cameras, self._sites, 3))
        for c in map(int, np.flatnonzero(chosen >= 0)):
            person[c] = self._detections.usable(c, snapshot.people[c][chosen[c]][None])[0]
        instant = self._instant_of(snapshot, person, chosen >= 0, self._config.frame_period_s)
        self._found = qpos, instant
        return FitCode.INITIALISING, chosen

    def _begin_window(self, qpos: Float[np.ndarray, "41"], instant: Instant) -> None:
        """A window of nothing but the instant in which the person was found."""
        period_s = self._config.frame_period_s
        ages = range(self._config.solver.window - 1, 0, -1)
        self._instants = [self._empty(-1, instant.t_ns - k * int(1e9 * period_s), period_s) for k in ages]
        self._instants.append(instant)
        self._calls.begin(qpos)
        self._trust = CameraTrust(self._cameras, self._config.trust)
        self._bad_s = self._unseen_s = 0.0
        self._starting = self._config.starting_snapshots
        self._found, self._tracking = None, True

    def _advance(self, instant: Instant, interval_s: float) -> FitCode:
        before = self._instants[-1]
        del self._instants[0]
        self._instants.append(instant)
        iterations = self._config.starting_iterations if self._starting else self._config.iterations
        self._place = self._config.solver.window - 1 - self._settling.lag
        self._solution = solution = self._calls.solve(self._instants, iterations, self._place)
        if not _finite(solution):
            self._tracking = False
            return FitCode.DIVERGED
        self._last_qpos = solution.q[-1].astype(np.float64)
        error_px, robust_weight = solution.report.error_px, solution.report.robust_weight
        self._trust.update(error_px, instant.confidence >= self._config.noise.min_confidence, interval_s)
        self._noise.update(error_px, robust_weight, instant.confidence, interval_s)
        if self._starting:
            self._starting -= 1
            explained = self._explained(instant, error_px)[0]
            self._tracking = explained or self._starting > 0
            return FitCode.OK if explained else FitCode.INITIALISING
        self._watch_rig(instant, solution, interval_s)
        # what came late is in the instant before: free-running cameras share the two newest between them
        views = self._detections.shows_somebody(instant.confidence)
        views |= self._detections.shows_somebody(before.confidence)
        seen = views.sum() >= 2 or (
            instant.markers is not None and (instant.markers[:, 3] > 0).sum() >= MIN_MARKERS
        )
        self._unseen_s = 0.0 if seen else self._unseen_s + interval_s
        explained, used, size_px = self._explained(instant, error_px)
        self._bad_s = 0.0 if explained or not seen else self._bad_s + interval_s
        if max(self._unseen_s, self._bad_s) > self._config.lost_after_s:
            self._tracking = False
            return FitCode.LOST
        if self._cameras and self._limbs.caught(error_px, used, size_px, interval_s):
            self._tracking = False  # the next snapshot starts anew
        return FitCode.OK if seen else FitCode.NOT_ENOUGH_VIEWS

    def _watch_rig(self, instant: Instant, solution: WindowSolution, interval_s: float) -> None:
        if not self._rig.due(interval_s) or solution.report.exchanged.any():
            return
        seen = (
            self._detections.judging(instant.confidence) & ~(self._trust.knocked | self._trust.apart)[:, None]
        )
        sites_m = self._calls.sites_at(instant.offset_s)
        if self._rig.look(instant.pixels, seen, sites_m):
            self._calls.aim(self._rig.cameras)
            self._search.aim(self._rig.cameras)

    def _explained(
        self, instant: Instant, error_px: Float[np.ndarray, "camera keypoint"]
    ) -> tuple[bool, Bool[np.ndarray, "camera keypoint"], Float[np.ndarray, " camera"]]:
        """Whether the pose explains enough of what was detected, what it was judged by, the person's size in px."""
        used = self._detections.judging(instant.confidence)
        size_px = self._detections.size_px(instant.pixels, used)
        share = self._detections.explained_share(error_px, size_px, used)
        return share >= self._config.lost_share, used, size_px

    # ------------------------------------------------------------------ observations

    def _followed(self, snapshot: Snapshot, interval_s: float) -> tuple[Instant, Int[np.ndarray, " camera"]]:
        """What each camera saw of the person followed, and which of its people that is (-1: none)."""
        chosen = np.full(self._cameras, -1)
        person = np.zeros((self._cameras, self._sites, 3))
        if any(len(people) for people in snapshot.people):
            people = self._detections.people(snapshot.people)
            row = self._detections.nearest(people, self._calls.predicted_px(interval_s))
            known = row >= 0
            person[known], chosen[known] = people.keypoints[row[known]], people.index[row[known]]
        return self._instant_of(snapshot, person, chosen >= 0, interval_s), chosen

    def _take_late(self, late: LateView) -> None:
        place = next((k for k, i in enumerate(self._instants) if i.seq == late.seq), None)
        if place is None or self._solution is None or not len(late.people):
            return
        instant, c = self._instants[place], late.camera_index
        if (instant.confidence[c] > 0).any():
            return
        everyone: list[np.ndarray] = [late.people[:0]] * self._cameras
        everyone[c] = late.people
        people = self._detections.people(everyone)
        predicted = self._calls.pixels_at(self._solution.q[place], self._solution.v[place])
        row = self._detections.nearest(people, predicted)[c]
        if row >= 0:
            person = people.keypoints[row]
            instant.pixels[c], instant.confidence[c] = person[:, :2], person[:, 2]
            instant.offset_s[c] = (late.t_ns - instant.t_ns) * 1e-9
            self._weigh(instant)
            self._calls.look_again()

    def _instant_of(
        self,
        snapshot: Snapshot,
        person: Float[np.ndarray, "camera keypoint 3"],
        known: Bool[np.ndarray, " camera"],
        interval_s: float,
    ) -> Instant:
        """``person``: usable keypoints of the cameras that ``known`` marks, zero elsewhere."""
        instant = self._empty(snapshot.seq, snapshot.t_ns, interval_s)
        instant.pixels[:], instant.confidence[:] = person[..., :2], person[..., 2]
        offset_s = np.clip((snapshot.camera_t_ns - snapshot.t_ns) * 1e-9, -MAX_OFFSET_S, MAX_OFFSET_S)
        instant.offset_s[:] = np.where(known, offset_s, 0.0)
        self._weigh(instant)
        if snapshot.markers is not None and instant.markers is not None:
            instant.markers[:] = snapshot.markers
            instant.markers[~np.isfinite(snapshot.markers).all(axis=1)] = 0.0
        return instant

    def _weigh(self, instant: Instant) -> None:
        instant.information[:] = self._noise.information(instant.confidence) * self._trust.weight[:, None]

    def _empty(self, seq: int, t_ns: int, interval_s: float) -> Instant:
        return Instant(seq, t_ns, interval_s, self._cameras, self._sites)

    # ------------------------------------------------------------------ results

    def _result(self, snapshot: Snapshot, code: FitCode, chosen: Int[np.ndarray, " camera"]) -> FitResult:
        fitted = None
        if self._instants and self._instants[-1].seq == snapshot.seq and self._solution is not None:
            fitted = self._instants[-1], self._solution.report
        sigma_px = self._config.noise.sigma_px
        return FitResult(
            snapshot.seq,
            snapshot.t_ns,
            code,
            self._last_qpos,
            self._window_state(),
            self._settled(self._settling.due()),
            camera_statistics(
                snapshot, chosen, self._trust, self._rig.too_far, fitted, self._sites, sigma_px
            ),
        )

    def _settled(self, due: tuple[tuple[int, int], ...]) -> tuple[SettledPose, ...]:
        settled = []
        places = {instant.seq: place for place, instant in enumerate(self._instants)}
        time_s = self._config.tuning.pixel_noise.correlation_time_s if self._cameras else None
        for seq, t_ns in due:
            if seq in places and self._solution is not None and _finite(self._solution):
                place = places[seq]
                solution = self._solution if place == self._place else self._calls.uncertain(place)
                settled.append(settled_pose(self._instants[place], place, solution, time_s, self._tracking))
            else:
                settled.append(unknown_pose(seq, t_ns, self._last_qpos))
        return tuple(settled)

    def _window_state(self) -> WindowState:
        solution = self._solution
        if solution is None or not _finite(solution):
            empty = np.zeros(0, np.int64)
            return WindowState(empty, empty, np.zeros((0, POSE_SIZE)), np.zeros((0, VELOCITY_SIZE)))
        rows = [k for k, i in enumerate(self._instants) if i.seq >= 0]
        return WindowState(
            np.array([self._instants[k].seq for k in rows], np.int64),
            np.array([self._instants[k].t_ns for k in rows], np.int64),
            solution.q[rows].astype(np.float64),
            solution.v[rows].astype(np.float64),
        )


def _finite(solution: WindowSolution) -> bool:
    return bool(
        np.isfinite(solution.q).all() and np.isfinite(solution.v).all() and np.isfinite(solution.loss)
    )
