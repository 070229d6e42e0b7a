"""The trials of a catalogue, fitted one after the other; what was fitted before comes out of the store."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kincast.models.body.parameters import BodyParameters
from kincast.models.errors import UserMistakeError
from kincast.offline.c3d_plates import c3d_forces
from kincast.offline.file_hash import file_sha256
from kincast.offline.motion_library.build import RawMotion
from kincast.offline.motion_library.catalogue import CataloguePerson, Motions
from kincast.offline.motion_library.clip import Origin
from kincast.offline.motion_library.fit_store import Fit, FitStore, key_of
from kincast.offline.motion_library.fitting import BODY_TRIALS, Sight, fitted_body, fitted_poses
from kincast.offline.motion_library.measured_forces import no_forces, with_plates
from kincast.offline.motion_library.sights import of_acclaim, of_bvh, of_markers
from kincast.offline.plates import carried, feet_forces
from kincast.offline.refit import refit
from kincast.offline.truth import TruthForces, read_truth
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.record import write_recording
from kincast.streaming.importers.source import import_source
from kincast.streaming.results.storage import read_storage
from kincast.streaming.results.trc import read_trc

FIT_RECIPE = 1
"""Raised when fits made before are no longer the ones that would be made."""
METHODS = {"markers": "markers", "cameras": "refit", "acclaim": "skeleton", "bvh": "skeleton"}


@dataclass(frozen=True)
class FittedTrial:
    """``motion`` is None where the trial could not be fitted; then ``failed`` says why. ``key``: of all that it came from."""

    person: CataloguePerson
    name: str
    source: str
    key: str
    motion: RawMotion | None
    tracked: np.ndarray
    failed: str = ""


class Trials:
    """One entry of a person in the catalogue."""

    def __init__(
        self,
        data: Path,
        person: CataloguePerson,
        motions: Motions,
        store: FitStore,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._data, self._person, self._motions, self._store, self._tell = data, person, motions, store, tell
        self._sights: dict[Path, Sight] = {}
        self._body: BodyParameters | None = None
        self._hash: dict[Path, str] = {}

    def fitted(self) -> Iterator[FittedTrial]:
        """Every trial; a file that cannot be read or fitted says so in its place."""
        m = self._motions
        for file in m.files:
            forces = m.forces_of(self._data, file)
            key = self._fit_key(file)
            fit = self._store.read(key)
            if fit is None:
                if m.kind == "cameras":
                    self._fit_cameras()
                    fit = self._store.read(key) or Fit.none("the refit left it out")
                else:
                    fit = self._fitted(file)
                    if fit.body is not None:
                        self._store.write(key, fit)
            whole = key_of({"fit": key, "forces": "" if forces is None else self._sha(forces)})
            yield self._trial(file, fit, forces, whole)

    # ------------------------------------------------------------------ fits

    def _fitted(self, file: Path) -> Fit:
        try:
            seen = self._sight(file).observations
            if self._body is None:
                self._body = fitted_body(self._readable(), self._person.mass_kg, self._person.height_m)
            poses = fitted_poses(self._body, seen)
        except UserMistakeError as mistake:
            return Fit.none(str(mistake))
        return Fit(self._body, poses.t_ns, poses.q, poses.tracked)

    def _body_files(self) -> tuple[Path, ...]:
        """Files that tell the body; all of one marker set with the first."""
        m = self._motions
        if m.kind == "cameras":
            return m.files
        return tuple(dict.fromkeys((*m.body_from, *m.files)))[:BODY_TRIALS]

    def _readable(self) -> list[Sight]:
        """What tells the body; files that cannot be read are named in their own turn."""
        found = []
        for file in self._body_files():
            with contextlib.suppress(UserMistakeError):
                found.append(self._sight(file))
        return found

    def _sight(self, file: Path) -> Sight:
        if file not in self._sights:
            m = self._motions
            if m.kind == "acclaim":
                assert m.skeleton is not None
                self._sights[file] = of_acclaim(m.skeleton, file)
            elif m.kind == "bvh":
                self._sights[file] = of_bvh(file, m.first_frame)
            else:
                self._sights[file] = of_markers(file, self._options())
        return self._sights[file]

    def _fit_cameras(self) -> None:
        """All recordings together, with the refit of the product."""
        with tempfile.TemporaryDirectory() as folder:
            paths: dict[Path, Path] = {}
            for file in self._motions.files:
                try:
                    path = Path(folder) / f"{file.name}.mcap"
                    write_recording(import_source(file, self._options()), path)
                    paths[path] = file
                except UserMistakeError as mistake:
                    self._store.write(self._fit_key(file), Fit.none(str(mistake)))
            try:
                found = refit(tuple(paths), tell=self._tell)
            except UserMistakeError as mistake:
                for file in paths.values():
                    self._store.write(self._fit_key(file), Fit.none(str(mistake)))
                return
            for path, why in found.left_out.items():
                self._store.write(self._fit_key(paths[path]), Fit.none(why))
            for trial in found.trials:
                t_ns = trial.trial.live.t_ns
                fit = Fit(found.body, t_ns, trial.fit.trajectory.motion(t_ns).q, trial.tracked)
                self._store.write(self._fit_key(paths[trial.trial.path]), fit)

    def _options(self) -> ImportOptions:
        m, p = self._motions, self._person
        return ImportOptions(
            stream=m.stream, mass_kg=p.mass_kg, height_m=p.height_m, belt_speed_m_s=m.belt_speed_m_s
        )

    def _fit_key(self, file: Path) -> str:
        m, p = self._motions, self._person
        return key_of(
            {
                "recipe": FIT_RECIPE,
                "kind": m.kind,
                "file": self._sha(file),
                "body_from": [self._sha(f) for f in self._body_files()],
                "skeleton": "" if m.skeleton is None else self._sha(m.skeleton),
                "mass_kg": p.mass_kg,
                "height_m": p.height_m,
                "belt": m.belt_speed_m_s if m.kind == "cameras" else None,
                "first_frame": m.first_frame,
                "stream": m.stream,
            }
        )

    def _sha(self, place: Path) -> str:
        if place not in self._hash:
            files = [place] if place.is_file() else _files_in(place)
            self._hash[place] = key_of({f.name: file_sha256(f) for f in files})
        return self._hash[place]

    # ------------------------------------------------------------------ motions

    def _trial(self, file: Path, fit: Fit, forces: Path | None, key: str) -> FittedTrial:
        m = self._motions
        name = file.name.removesuffix(".gz").rsplit(".", 1)[0]
        source = (
            f"{m.source}: {file.relative_to(self._data)}" if m.source else str(file.relative_to(self._data))
        )
        nothing = FittedTrial(self._person, name, source, key, None, fit.tracked, fit.failed)
        if fit.body is None:
            return nothing
        motion = RawMotion(
            name=name,
            person=self._person.name,
            body=fit.body,
            t_ns=fit.t_ns,
            q=fit.q,
            origin=Origin(source, self._sha(file), METHODS[m.kind], self._person.licence),
            belt_speed_m_s=m.belt_speed_m_s,
            support=m.support,
        )
        try:
            plates = self._plates(file, forces, fit.body.mass_kg)
        except UserMistakeError as mistake:
            self._tell(f"{name}: no plates, {mistake}")
            plates = None
        if plates is not None:
            found = with_plates(no_forces(len(fit.t_ns)), plates, fit.t_ns)
            motion = replace(motion, forces=found if found.measured.any() else None)
        return replace(nothing, motion=motion)

    def _plates(self, file: Path, forces: Path | None, mass_kg: float) -> TruthForces | None:
        if file.suffix.lower() == ".c3d":
            return c3d_forces(file, mass_kg)
        if forces is None:
            return None
        if forces.is_dir():
            return read_truth(forces, file.stem).forces
        found = feet_forces(read_storage(forces), read_trc(file) if file.suffix.lower() == ".trc" else None)
        if found is None:
            return None
        seen = carried(found[0], mass_kg)
        return TruthForces(
            read_storage(forces).time_s,
            *found,
            np.stack([seen, seen], axis=1),
            np.full(len(seen), np.nan),
            sight_measured=False,
        )


def _files_in(folder: Path) -> list[Path]:
    """Of a recording's folder, all but what it is measured against."""
    return sorted(f for f in folder.rglob("*") if f.is_file() and "truth" not in f.relative_to(folder).parts)
