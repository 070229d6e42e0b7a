"""From the stream of LiveFrames to rows: each Snapshot one row, whatever lagged or failed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.coordinates import N_COORDINATES, POSE_SIZE
from kincast.models.pressure_sd import PressureError, pressure_sd
from kincast.streaming.messages import GaitEvent, Kinematics, Kinetics, LiveFrame, Stride
from kincast.streaming.results.pelvis_angles import file_coordinates
from kincast.streaming.results.session import KineticsSd, SessionResults

Numbers = Float64[np.ndarray, " value"]


class Collector:
    """Takes LiveFrames one by one, keeping only the numbers the files need; :meth:`results` at the end."""

    def __init__(self, site_names: Sequence[str], muscles: Sequence[str]) -> None:
        self._site_names = tuple(site_names)
        self._muscles = tuple(muscles)
        self._snapshots: set[int] = set()
        self._kinematics: dict[int, Numbers] = {}
        self._kinetics: dict[int, Numbers] = {}
        self._kinematics_flags: dict[int, tuple[bool, bool]] = {}
        self._kinetics_valid: dict[int, bool] = {}
        self._events: list[GaitEvent] = []
        self._strides: list[Stride] = []
        self._lags_ns: dict[str, list[int]] = {"kinematics": [], "kinetics": []}

    def add(self, frame: LiveFrame) -> None:
        """Take one frame. A second word on one instant replaces the first."""
        if not frame.flush:
            self._snapshots.add(frame.t_ns)
        if frame.kinematics is not None:
            k = frame.kinematics
            self._kinematics[k.t_ns] = _kinematics_row(k)
            self._kinematics_flags[k.t_ns] = (k.valid, k.tracked)
            self._note(frame, "kinematics", k.t_ns)
        if frame.kinetics is not None:
            d = frame.kinetics
            self._kinetics[d.t_ns] = _kinetics_row(d, len(self._muscles))
            self._kinetics_valid[d.t_ns] = d.valid
            self._note(frame, "kinetics", d.t_ns)
        self._events.extend(frame.events)
        self._strides.extend(frame.strides)

    def _note(self, frame: LiveFrame, stream: str, t_ns: int) -> None:
        self._snapshots.add(t_ns)
        if not frame.flush:
            self._lags_ns[stream].append(frame.t_ns - t_ns)

    def results(self) -> SessionResults:
        """All rows, in order of time, every number finite."""
        t_ns = np.array(sorted(self._snapshots), dtype=np.int64)
        n, muscles, sites = len(t_ns), len(self._muscles), len(self._site_names)
        pose = _Held(t_ns, POSE_SIZE + 2 * N_COORDINATES + 3 * sites)
        kinetics = _Held(t_ns, 2 * N_COORDINATES + 24 + 7 + 2 * muscles)
        flags, kinetics_valid = np.zeros((n, 2), dtype=bool), np.zeros(n, dtype=bool)
        for row, t in enumerate(t_ns.tolist()):
            if t in self._kinematics and pose.put(row, self._kinematics[t]):
                flags[row] = self._kinematics_flags[t]
            if t in self._kinetics and kinetics.put(row, self._kinetics[t]):
                kinetics_valid[row] = self._kinetics_valid[t]
        pose.fill(default=_REST_POSE)
        kinetics.fill_zero(held=slice(N_COORDINATES + 6, N_COORDINATES + 12))
        qpos, sd, sd_within, site_values = np.split(
            pose.values, np.cumsum([POSE_SIZE, N_COORDINATES, N_COORDINATES]), axis=1
        )
        torques, force, cop, free, residual, pct, act, act_sd, torques_sd, force_sd = np.split(
            kinetics.values,
            np.cumsum([N_COORDINATES, 6, 6, 6, 6, 1, muscles, muscles, N_COORDINATES]),
            axis=1,
        )
        feet, feet_sd = force.reshape(n, 2, 3), force_sd.reshape(n, 2, 3)
        cop_sd, free_sd = pressure_sd(feet, feet_sd, PressureError())
        return SessionResults(
            t_ns=t_ns,
            coordinates=file_coordinates(qpos),
            coordinates_sd=sd,
            coordinates_sd_within=sd_within,
            torques=torques,
            force=feet,
            cop=cop.reshape(n, 2, 3),
            free_torque=free.reshape(n, 2, 3),
            residual=residual,
            residual_pct_bw=pct[:, 0],
            activations=act,
            activations_sd=act_sd,
            kinematics_valid=flags[:, 0],
            kinetics_valid=kinetics_valid,
            kinetics_known=kinetics.said,
            tracked=flags[:, 1],
            sites=site_values.reshape(n, sites, 3),
            site_names=self._site_names,
            muscles=self._muscles,
            events=tuple(sorted(self._events, key=lambda e: (e.t_ns, e.side, e.event))),
            strides=tuple(self._strides),
            kinetics_sd=KineticsSd(torques_sd, feet_sd, cop_sd, free_sd),
            lag_ms={
                name: (float(np.median(lags)) * 1e-6, float(max(lags)) * 1e-6)
                for name, lags in self._lags_ns.items()
                if lags
            },
        )


_REST_POSE = np.zeros(POSE_SIZE)
_REST_POSE[3] = 1.0


def _kinematics_row(kinematics: Kinematics) -> Numbers:
    parts = (kinematics.qpos, kinematics.angles_sd, kinematics.angles_sd_within, kinematics.sites.reshape(-1))
    return np.concatenate([np.asarray(p, dtype=np.float64) for p in parts])


def _kinetics_row(kinetics: Kinetics, muscles: int) -> Numbers:
    feet = (kinetics.right, kinetics.left)
    parts = [
        kinetics.torques,
        *(f.force for f in feet),
        *(f.cop for f in feet),
        *(f.free_torque for f in feet),
        kinetics.residual,
        np.array([kinetics.residual_pct_bw]),
        kinetics.activations[:muscles],
        kinetics.activations_sd[:muscles],
        kinetics.torques_sd,
        kinetics.force_sd.reshape(-1),
    ]
    return np.concatenate([np.asarray(p, dtype=np.float64) for p in parts])


class _Held:
    """Rows of a table, some of them never said or not finite. Filling looks back in time only, never ahead."""

    def __init__(self, t_ns: Int64[np.ndarray, " row"], width: int) -> None:
        self.values = np.zeros((len(t_ns), width))
        self.said = np.zeros(len(t_ns), dtype=bool)

    def put(self, row: int, values: Numbers) -> bool:
        """Store a row; False (and not stored) if a number is not finite."""
        if not np.isfinite(values).all():
            return False
        self.values[row] = values
        self.said[row] = True
        return True

    def fill(self, default: Numbers) -> None:
        """Rows without numbers get those of the nearest earlier row; before the first one ``default``, then zeros."""
        source = self._source_rows()
        self.values = np.where((source >= 0)[:, None], self.values[source], 0.0)
        self.values[source < 0, : len(default)] = default

    def fill_zero(self, held: slice) -> None:
        """Rows without numbers are 0, but for the columns ``held``, which keep the last ones said."""
        source = self._source_rows()
        self.values[:, held] = np.where((source >= 0)[:, None], self.values[source][:, held], 0.0)

    def _source_rows(self) -> Int64[np.ndarray, " row"]:
        """The latest row up to each that has numbers, -1 where there is none yet."""
        rows = np.where(self.said, np.arange(len(self.said)), -1)
        return np.maximum.accumulate(rows) if len(rows) else rows
