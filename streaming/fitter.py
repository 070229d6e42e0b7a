"""The live fit as a state machine: snapshots in, poses out; no clock, no socket, no exception in the loop.

Searching: people of the pictures are associated over cameras, triangulated, and a first pose is laid onto
the points. Tracking: per camera the person nearest to the prediction is taken, the window solver moves on by
one instant, cameras are judged, and the pose that has reached the settling lag is handed out for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from kincast.models.association import associate
from kincast.models.body import SOFT_SITES, Body
from kincast.models.body_prior import joint_limits_deg
from kincast.models.camera import Camera, camera_arrays
from kincast.models.coordinates import POSE_SIZE, VELOCITY_SIZE
from kincast.models.detector_noise import DetectorNoise, DetectorNoiseConfig
from kincast.models.errors import UserMistakeError
from kincast.models.fit_result import CameraStatistics, FitCode, FitResult, SettledPose, WindowState
from kincast.models.initial_pose import InitialPoseCode, initial_pose, start_postures
from kincast.models.kinematics import site_positions
from kincast.models.mirrored_sites import leg_pairs
from kincast.models.pose_uncertainty import coordinate_sd, pose_uncertainty, site_variance_m2
from kincast.models.residuals import Views
from kincast.models.window_solver import (
    SolverConfig,
    SolverTuning,
    WindowModel,
    WindowObservations,
    WindowSolution,
    initial_estimate,
    predicted_pixels,
    step,
    weakened,
)
from kincast.streaming.camera_trust import CameraTrust, CameraTrustConfig
from kincast.streaming.limb_watch import LimbWatch, LimbWatchConfig
from kincast.streaming.snapshot import LateView, Snapshot


@dataclass(frozen=True)
class FitterConfig:
    """Settings of the live fit.

    Attributes:
        settle_lag_s: a pose is handed out for good when it is at most this old; rounded down to whole snapshots.
        iterations, initial_iterations: Levenberg-Marquardt steps per snapshot, and at a (re)start.
        min_keypoints: a picture shows somebody if it has that many usable keypoints.
        same_person: a detection is the person followed if its median distance from the prediction is
            below this share of the person's apparent size (the diagonal of the predicted keypoints).
        lost_share: the person is lost when less than this share of the detected keypoints is explained ...
        lost_after_s: ... for that long, or when too few views came for that long.
        max_gap_s: a longer pause between snapshots restarts the search.
        search_over_s: pictures at most this old take part in a search.
    """

    solver: SolverConfig = field(default_factory=SolverConfig)
    tuning: SolverTuning = field(default_factory=SolverTuning)
    noise: DetectorNoiseConfig = field(default_factory=DetectorNoiseConfig)
    trust: CameraTrustConfig = field(default_factory=CameraTrustConfig)
    limbs: LimbWatchConfig = field(default_factory=LimbWatchConfig)
    settle_lag_s: float = 0.0505
    iterations: int = 1
    initial_iterations: int = 25
    damping: float = 1e-4
    min_keypoints: int = 4
    same_person: float = 0.25
    explained: float = 0.04
    lost_share: float = 0.4
    lost_after_s: float = 0.4
    max_gap_s: float = 0.5
    search_over_s: float = 0.06
    frame_period_s: float = 1.0 / 60.0


@dataclass
class _Instant:
    """One place of the window. ``seq`` is -1 for the imaginary instants before tracking began."""

    seq: int
    t_ns: int
    pixels: np.ndarray
    confidence: np.ndarray
    information: np.ndarray
    offset_s: np.ndarray
    markers: np.ndarray | None


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
        config: FitterConfig = FitterConfig(),
    ) -> None:
        if body.keypoint_set != keypoint_set:
            raise UnfitBodyError(f"body was built for {body.keypoint_set}, the session has {keypoint_set}")
        self._config = config
        self._cameras = tuple(cameras)
        self._sites = len(body.sites)
        limits = tuple((float(low), float(high)) for low, high in np.radians(joint_limits_deg()))
        self._model = WindowModel(body.skeleton, limits, leg_pairs(keypoint_set), config.solver)
        self._rig = jax.tree.map(jnp.asarray, camera_arrays(self._cameras, np.float32)) if cameras else None
        self._size_px = np.array([c.size_px for c in self._cameras], float).reshape(-1, 2)
        self._soft = np.array([name in SOFT_SITES for name in body.sites])
        self._tuning = jax.tree.map(jnp.float32, config.tuning)
        self._window = config.solver.window
        self._set_body(body)
        self._trust = CameraTrust(len(self._cameras), config.trust)
        self._noise = DetectorNoise(self._sites, config.noise)
        self._limbs = LimbWatch(self._sites, config.limbs)
        self._tracking = False
        self._instants: list[_Instant] = []
        self._estimate = initial_estimate(start_postures()[0], self._window)
        self._last_qpos = start_postures()[0]
        self._unsettled: list[tuple[int, int]] = []
        self._intervals: list[float] = []
        self._last_t_ns: int | None = None
        self._bad_s = 0.0
        self._unseen_s = 0.0
        self._solution: WindowSolution | None = None
        self._newest: dict[int, tuple[int, np.ndarray]] = {}

    # ------------------------------------------------------------------ public

    def warm(self) -> None:
        """Compile everything the loop will call (seconds with a cold compilation cache)."""
        empty = [self._empty(-1, 0) for _ in range(self._window)]
        estimate = initial_estimate(start_postures()[0], self._window)
        self._solve(estimate, empty, 1)
        if self._cameras:
            self._predict(start_postures()[0], np.zeros(VELOCITY_SIZE), 0.0)
            points = np.asarray(self._sites_at(start_postures()[0]))
            initial_pose(self._body, points.astype(float), np.ones(self._sites, bool))

    def step(self, snapshot: Snapshot) -> FitResult:
        """Take in one snapshot."""
        interval_s = self._interval(snapshot.t_ns)
        if self._tracking and interval_s > self._config.max_gap_s:
            self._tracking = False
        self._unsettled.append((snapshot.seq, snapshot.t_ns))
        chosen = np.full(len(self._cameras), -1)
        self._remember(snapshot)
        if self._tracking:
            for late in snapshot.late:
                self._take_late(late)
            instant, chosen = self._observed(snapshot, interval_s)
            code = self._advance(instant, interval_s)
        else:
            code, chosen = self._search(self._completed(snapshot))
        return self._result(snapshot, code, chosen)

    def swap_body(self, body: Body) -> None:
        """Use another body of the same person from the next snapshot on; nothing is compiled, no row is lost.

        Raises:
            UnfitBodyError: its sites are not those of the session.
        """
        if body.skeleton != self._body.skeleton:
            raise UnfitBodyError(
                f"body was built for {body.keypoint_set}, the session has {self._body.keypoint_set}"
            )
        self._set_body(body)
        self._estimate = weakened(self._estimate)

    def flush(self) -> tuple[SettledPose, ...]:
        """The poses still lagging, at the end of the stream."""
        return self._settle(len(self._unsettled))

    @property
    def tracking(self) -> bool:
        """A person is being followed."""
        return self._tracking

    # ------------------------------------------------------------------ searching

    def _search(self, snapshot: Snapshot) -> tuple[FitCode, np.ndarray]:
        start, chosen, code = self._found(snapshot)
        if start is None:
            return code, chosen
        instant = self._instant_of(snapshot, chosen)
        period_ns = int(1e9 * self._config.frame_period_s)
        self._instants = [
            self._empty(-1, snapshot.t_ns - (self._window - 1 - k) * period_ns)
            for k in range(self._window - 1)
        ]
        self._instants.append(instant)
        self._trust = CameraTrust(len(self._cameras), self._config.trust)
        estimate = initial_estimate(start, self._window)
        # The solver makes the newest pose by prediction from its neighbour, so the start is carried over.
        self._estimate, self._solution = self._solve(
            estimate, self._instants, self._config.initial_iterations
        )
        if not self._finite():
            return FitCode.DIVERGED, chosen
        assert self._solution is not None
        self._last_qpos = np.asarray(self._solution.q[-1], np.float64)
        if self._explained_share() < self._config.lost_share:
            return FitCode.INITIALISING, chosen
        self._tracking = True
        self._bad_s = self._unseen_s = 0.0
        return FitCode.OK, chosen

    def _remember(self, snapshot: Snapshot) -> None:
        """Keep each camera's newest picture, on time or late."""
        for late in snapshot.late:
            self._newest[late.camera_index] = (late.t_ns, late.people)
        for c in np.flatnonzero(snapshot.present):
            self._newest[int(c)] = (int(snapshot.camera_t_ns[c]), snapshot.people[c])

    def _completed(self, snapshot: Snapshot) -> Snapshot:
        """For the search, free-running cameras that are not in yet lend their picture before: one alone shows no depth."""
        camera_t_ns, present, people = (
            snapshot.camera_t_ns.copy(),
            snapshot.present.copy(),
            list(snapshot.people),
        )
        for c, (t_ns, seen) in self._newest.items():
            if not present[c] and abs(snapshot.t_ns - t_ns) <= self._config.search_over_s * 1e9:
                camera_t_ns[c], present[c], people[c] = t_ns, True, seen
        return replace(snapshot, camera_t_ns=camera_t_ns, present=present, people=tuple(people))

    def _found(self, snapshot: Snapshot) -> tuple[np.ndarray | None, np.ndarray, FitCode]:
        """A first pose, which person of each camera it is, and why there is none."""
        nobody = np.full(len(self._cameras), -1)
        if snapshot.markers is not None:
            markers = np.asarray(snapshot.markers, np.float64)
            seen = (markers[:, 3] > 0) & np.isfinite(markers).all(axis=1)
            first = initial_pose(self._body, np.where(seen[:, None], markers[:, :3], 0.0), seen)
            if first.code == InitialPoseCode.OK:
                return first.qpos, nobody, FitCode.OK
        if sum(len(p) > 0 for p in snapshot.people) < 2:
            return None, nobody, FitCode.NOT_ENOUGH_VIEWS
        people = [self._usable(c, p) for c, p in enumerate(snapshot.people)]
        for person in associate(self._cameras, people):
            first = initial_pose(self._body, person.triangulated.points, person.triangulated.valid)
            if first.code == InitialPoseCode.OK:
                return first.qpos, np.asarray(person.person_index), FitCode.OK
        return None, nobody, FitCode.INITIALISING

    # ------------------------------------------------------------------ tracking

    def _advance(self, instant: _Instant, interval_s: float) -> FitCode:
        del self._instants[0]
        self._instants.append(instant)
        self._estimate, self._solution = self._solve(self._estimate, self._instants, self._config.iterations)
        if not self._finite():
            self._tracking = False
            return FitCode.DIVERGED
        assert self._solution is not None
        self._last_qpos = np.asarray(self._solution.q[-1], np.float64)
        report = self._solution.report
        self._trust.update(
            np.asarray(report.error_px), instant.confidence >= self._config.noise.min_confidence, interval_s
        )
        self._noise.update(
            np.asarray(report.error_px), np.asarray(report.robust_weight), instant.confidence, interval_s
        )
        usable = self._usable_count(instant) >= self._config.min_keypoints
        # what came late is in the instant before: free-running cameras share the two newest between them
        usable |= self._usable_count(self._instants[-2]) >= self._config.min_keypoints
        views = int(usable.sum())
        seen = views >= 2 or (instant.markers is not None and (instant.markers[:, 3] > 0).sum() >= 6)
        explained = self._explained_share() >= self._config.lost_share
        self._unseen_s = 0.0 if seen else self._unseen_s + interval_s
        self._bad_s = 0.0 if explained or not seen else self._bad_s + interval_s
        if max(self._unseen_s, self._bad_s) > self._config.lost_after_s:
            self._tracking = False
            return FitCode.LOST
        if self._cameras and self._limbs.caught(
            np.asarray(report.error_px, np.float64), self._used(instant), self._size_of(instant), interval_s
        ):
            self._tracking = False  # the next snapshot starts anew
        return FitCode.OK if seen else FitCode.NOT_ENOUGH_VIEWS

    def _observed(self, snapshot: Snapshot, interval_s: float) -> tuple[_Instant, np.ndarray]:
        chosen = np.full(len(self._cameras), -1)
        if any(len(p) for p in snapshot.people):
            solution = self._solution
            assert solution is not None
            predicted = self._predict(solution.q[-1], solution.v[-1], interval_s)
            for c, people in enumerate(snapshot.people):
                if len(people):
                    chosen[c] = self._same_person(c, self._usable(c, people), predicted[c])
        return self._instant_of(snapshot, chosen), chosen

    def _same_person(self, camera: int, people: np.ndarray, predicted: np.ndarray) -> int:
        """Index of the detection nearest to the prediction, -1 if none is near enough."""
        reach_px = self._config.same_person * max(float(np.linalg.norm(np.ptp(predicted, axis=0))), 40.0)
        best, best_px = -1, reach_px
        for i, person in enumerate(people):
            usable = person[:, 2] >= self._config.noise.min_confidence
            if usable.sum() < self._config.min_keypoints:
                continue
            median_px = float(np.median(np.linalg.norm(person[usable, :2] - predicted[usable], axis=1)))
            if median_px < best_px:
                best, best_px = i, median_px
        return best

    def _take_late(self, late: LateView) -> None:
        place = next((k for k, i in enumerate(self._instants) if i.seq == late.seq), None)
        if place is None or self._solution is None or not len(late.people):
            return
        instant = self._instants[place]
        if (instant.confidence[late.camera_index] > 0).any():
            return
        predicted = self._predict(self._solution.q[place], self._solution.v[place], 0.0)[late.camera_index]
        people = self._usable(late.camera_index, late.people)
        best = self._same_person(late.camera_index, people, predicted)
        if best >= 0:
            instant.pixels[late.camera_index] = people[best][:, :2]
            instant.confidence[late.camera_index] = people[best][:, 2]
            self._weigh(instant)
            instant.offset_s[late.camera_index] = (late.t_ns - instant.t_ns) * 1e-9

    # ------------------------------------------------------------------ observations

    def _usable(self, camera: int, people: np.ndarray) -> np.ndarray:
        """Detections in float64 with what cannot be (not finite, far outside the image) at confidence 0."""
        people = np.array(people, np.float64)
        width, height = self._size_px[camera]
        margin = 0.1 * max(width, height)
        x, y = people[..., 0], people[..., 1]
        inside = (x > -margin) & (x < width + margin) & (y > -margin) & (y < height + margin)
        good = np.isfinite(people).all(axis=-1) & inside
        people[~good] = 0.0
        people[:, self._soft] = 0.0  # the lips and fingers move, our head and hands do not
        people[..., 2] = np.clip(people[..., 2], 0.0, 1.0)
        return people

    def _instant_of(self, snapshot: Snapshot, chosen: np.ndarray) -> _Instant:
        instant = self._empty(snapshot.seq, snapshot.t_ns)
        for c, index in enumerate(chosen):
            if index < 0:
                continue
            person = self._usable(c, snapshot.people[c][index][None])[0]
            instant.pixels[c] = person[:, :2]
            instant.confidence[c] = person[:, 2]
            instant.offset_s[c] = np.clip((int(snapshot.camera_t_ns[c]) - snapshot.t_ns) * 1e-9, -0.1, 0.1)
        self._weigh(instant)
        if snapshot.markers is not None and instant.markers is not None:
            instant.markers[:] = snapshot.markers
            instant.markers[~np.isfinite(snapshot.markers).all(axis=1)] = 0.0
        return instant

    def _weigh(self, instant: _Instant) -> None:
        information = self._noise.information(instant.confidence) * self._trust.weight[:, None]
        instant.information[:] = information

    def _empty(self, seq: int, t_ns: int) -> _Instant:
        c, k = len(self._cameras), self._sites
        return _Instant(
            seq,
            t_ns,
            np.zeros((c, k, 2), np.float32),
            np.zeros((c, k), np.float32),
            np.zeros((c, k), np.float32),
            np.zeros(c, np.float32),
            None if self._cameras else np.zeros((k, 4), np.float32),
        )

    def _interval(self, t_ns: int) -> float:
        previous, self._last_t_ns = self._last_t_ns, t_ns
        if previous is None:
            return self._config.frame_period_s
        interval_s = max((t_ns - previous) * 1e-9, 1e-4)
        if len(self._intervals) < 8:
            self._intervals.append(interval_s)
        return interval_s

    def _usable_count(self, instant: _Instant) -> np.ndarray:
        return (instant.confidence >= self._config.noise.min_confidence).sum(axis=1)

    # ------------------------------------------------------------------ solver calls

    def _set_body(self, body: Body) -> None:
        self._body = body
        self._values = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), body.values)
        self._site_variance = site_variance_m2(body).astype(np.float32)

    def _solve(self, estimate, instants: list[_Instant], iterations: int):
        t_s = np.array([i.t_ns - instants[-1].t_ns for i in instants]) * 1e-9
        interval_s = np.maximum(np.diff(t_s, prepend=t_s[0] - self._config.frame_period_s), 1e-4)
        views = Views(*(_device([getattr(i, name) for i in instants]) for name in Views._fields))
        markers = None if self._cameras else _device([i.markers for i in instants if i.markers is not None])
        observations = WindowObservations(views, markers, _device(interval_s))
        estimate, solution = step(
            self._model,
            self._tuning,
            self._values,
            self._site_variance,
            self._rig,
            estimate,
            observations,
            np.int32(iterations),
            np.float32(self._config.damping),
        )
        return estimate, jax.device_get(solution)

    def _share(self, place: int) -> float:
        """Share of the pictures' information at a place of the window that was counted as new."""
        if not self._cameras or place == 0:
            return 1.0
        interval_s = (self._instants[place].t_ns - self._instants[place - 1].t_ns) * 1e-9
        time_s = self._config.tuning.pixel_noise.correlation_time_s
        return float(np.tanh(0.5 * max(interval_s, 1e-4) / time_s))

    def _predict(self, q, v, dt_s: float) -> Float[np.ndarray, "camera keypoint 2"]:
        pixels = predicted_pixels(
            self._model,
            self._values,
            self._rig,
            np.asarray(q, np.float32),
            np.asarray(v, np.float32),
            np.float32(dt_s),
        )
        return np.asarray(pixels)

    def _sites_at(self, q: np.ndarray) -> np.ndarray:
        return np.asarray(site_positions(self._model.skeleton, self._values, jnp.asarray(q, jnp.float32)))

    def _finite(self) -> bool:
        solution = self._solution
        return solution is not None and bool(
            np.isfinite(solution.q).all() and np.isfinite(solution.v).all() and np.isfinite(solution.loss)
        )

    def _used(self, instant: _Instant) -> np.ndarray:
        """Detections that count where the pose is judged."""
        return instant.confidence >= max(self._config.noise.min_confidence, 0.3)

    def _size_of(self, instant: _Instant) -> np.ndarray:
        """The person's apparent size in each camera, px."""
        used = self._used(instant)
        return np.array(
            [
                max(float(np.linalg.norm(np.ptp(p[u], axis=0))), 1.0) if u.any() else 1.0
                for p, u in zip(instant.pixels, used, strict=True)
            ]
        )

    def _explained_share(self) -> float:
        """Share of the newest detections that lie within ``explained`` of the person's apparent size."""
        instant, solution = self._instants[-1], self._solution
        assert solution is not None
        used = self._used(instant)
        if not used.any():
            return 1.0
        size_px = self._size_of(instant)
        near = (
            np.asarray(solution.report.error_px)
            < self._config.explained * np.maximum(size_px, 100.0)[:, None]
        )
        return float((near & used).sum() / used.sum())

    # ------------------------------------------------------------------ results

    @property
    def settle_lag(self) -> int:
        """Snapshots between a picture and the final word on it: ``settle_lag_s`` at the frame rate seen so far."""
        if not self._intervals:
            return self._window - 1
        period_s = float(np.median(self._intervals))
        most = min(self._config.solver.covariance_lag, self._window - 1)
        return int(np.clip(np.floor(self._config.settle_lag_s / period_s), 0, most))

    def _settle(self, count: int) -> tuple[SettledPose, ...]:
        settled = []
        for seq, t_ns in self._unsettled[:count]:
            settled.append(self._settled(seq, t_ns))
        del self._unsettled[:count]
        return tuple(settled)

    def _settled(self, seq: int, t_ns: int) -> SettledPose:
        place = next((k for k, i in enumerate(self._instants) if i.seq == seq), None)
        solution = self._solution
        if place is None or solution is None or not self._finite():
            wide = np.full(VELOCITY_SIZE, 1.0)
            return SettledPose(seq, t_ns, self._last_qpos, np.zeros(VELOCITY_SIZE), wide, wide, False)
        q = np.asarray(solution.q[place], np.float64)
        v = np.asarray(solution.v[place], np.float64)
        recent = max(place - (self._window - 1 - self._config.solver.covariance_lag), 0)
        uncertainty = pose_uncertainty(
            np.asarray(solution.covariance[recent]),
            np.asarray(solution.seen[recent]),
            np.asarray(solution.unsure[recent]),
            self._share(place),
        )
        within, total = coordinate_sd(q, uncertainty.within), coordinate_sd(q, uncertainty.total)
        return SettledPose(seq, t_ns, q, v, total, within, self._tracking)

    def _result(self, snapshot: Snapshot, code: FitCode, chosen: np.ndarray) -> FitResult:
        due = max(len(self._unsettled) - self.settle_lag, 0)
        settled = self._settle(due)
        return FitResult(
            snapshot.seq,
            snapshot.t_ns,
            code,
            self._last_qpos,
            self._window_state(),
            settled,
            self._statistics(snapshot, chosen),
        )

    def _window_state(self) -> WindowState:
        rows = [k for k, i in enumerate(self._instants) if i.seq >= 0] if self._solution is not None else []
        solution = self._solution
        if solution is None or not self._finite():
            empty = np.zeros(0, np.int64)
            return WindowState(empty, empty, np.zeros((0, POSE_SIZE)), np.zeros((0, VELOCITY_SIZE)))
        return WindowState(
            np.array([self._instants[k].seq for k in rows], np.int64),
            np.array([self._instants[k].t_ns for k in rows], np.int64),
            np.asarray(solution.q, np.float64)[rows],
            np.asarray(solution.v, np.float64)[rows],
        )

    def _statistics(self, snapshot: Snapshot, chosen: np.ndarray) -> CameraStatistics:
        c, k = len(self._cameras), self._sites
        error = np.full((c, k), np.nan, np.float32)
        confidence = np.zeros((c, k), np.float32)
        exchanged = np.zeros(c, bool)
        median = np.full(c, np.nan, np.float32)
        inlier = np.zeros(c, np.float32)
        if self._instants and self._instants[-1].seq == snapshot.seq and self._solution is not None:
            report = self._solution.report
            confidence = self._instants[-1].confidence
            used = confidence > 0
            error = np.where(used, np.asarray(report.error_px), np.nan).astype(np.float32)
            exchanged = np.asarray(report.exchanged)
            for i in range(c):
                if used[i].any():
                    median[i] = np.median(error[i][used[i]])
                    inlier[i] = np.mean(error[i][used[i]] < 4 * self._config.noise.sigma_px)
        return CameraStatistics(
            present=np.asarray(snapshot.present),
            person_index=chosen.astype(np.int64),
            median_px=median,
            inlier_share=inlier,
            swapped=exchanged,
            weight=self._trust.weight.astype(np.float32),
            knocked=self._trust.knocked.copy(),
            error_px=error,
            confidence=confidence.copy(),
        )


def _device(rows: Sequence[np.ndarray] | np.ndarray) -> jax.Array:
    return jnp.asarray(np.asarray(rows, np.float32))
