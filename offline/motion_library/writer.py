"""A motion library being written: clip by clip, known by the key of what it was made from, so that work goes on where it ended."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path

from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.gates import Reason
from kincast.offline.motion_library.index import (
    INDEX,
    Entry,
    Index,
    LibraryFormatError,
    Rejected,
    Split,
    entry_of,
    read_index,
)
from kincast.offline.motion_library.storage import write_clip

REPORT = "report.csv"
REPORT_COLUMNS = (
    "person",
    "split",
    "name",
    "source",
    "kept",
    "seconds",
    "measured_s",
    "method",
    "support",
    "made_of",
    "changes",
    "reasons",
)


class LibraryWriter:
    """Keeps ``library.json`` true after every clip. What an earlier run left is taken over where :meth:`known` is asked for it, and
    thrown away by :meth:`finish` where nobody asked. An index of another version is begun anew."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._old: dict[str, Entry | Rejected] = {}
        self._new: dict[str, Entry | Rejected] = {}
        if (folder / INDEX).is_file():
            try:
                index = read_index(folder)
            except LibraryFormatError:
                return
            self._old = {e.key: e for e in (*index.entries, *index.rejected)}

    def known(self, key: str, split: Split | None = None) -> Entry | Rejected | None:
        """What became of ``key`` in an earlier run or in this one; from now on part of the library (in ``split``)."""
        found = self._new.get(key) or self._old.get(key)
        if isinstance(found, Entry) and (
            not (self.folder / found.file).is_file() or split not in (None, found.split)
        ):
            return None
        if found is not None:
            self._new[key] = found
        return found

    def keep(self, key: str, clip: Clip, split: Split, made_of: str = "") -> Entry:
        """Write a clip; ``made_of``: the name of the clip it is a variant of."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:10]
        file = f"{_file_name(clip.person)}-{_file_name(clip.name)}-{digest}.npz"
        aside = self.folder / f".{file}"
        write_clip(aside, clip)
        os.replace(aside, self.folder / file)
        entry = entry_of(clip, file, self.folder, split, key, made_of)
        self._add(key, entry)
        return entry

    def leave_out(
        self, key: str, person: str, name: str, source: str, reasons: tuple[Reason, ...], made_of: str = ""
    ) -> None:
        """Note that a motion is kept out, and why."""
        self._add(key, Rejected(name, person, source, reasons, key, made_of))

    def kept(self) -> tuple[Entry, ...]:
        """The clips of this run so far, asked for or written."""
        return tuple(e for e in self._new.values() if isinstance(e, Entry))

    def finish(self) -> Index:
        """Throw away what earlier runs wrote and this one did not ask for; write the index and the report."""
        stale = {e.file for e in self._old.values() if isinstance(e, Entry)}
        self._old = {}
        index = self._save()
        for file in stale - {e.file for e in index.entries}:
            (self.folder / file).unlink(missing_ok=True)
        _replace_text(self.folder / REPORT, report(index))
        return index

    def _add(self, key: str, entry: Entry | Rejected) -> None:
        self._new[key] = entry
        self._save()

    def _save(self) -> Index:
        both = {**self._old, **self._new}
        index = Index(
            tuple(e for e in both.values() if isinstance(e, Entry)),
            tuple(e for e in both.values() if isinstance(e, Rejected)),
        )
        _replace_text(self.folder / INDEX, index.to_json())
        return index


def report(index: Index) -> str:
    """What is in a library and what is not, why: one row per motion, as CSV text."""
    rows: list[list[object]] = []
    for e in index.entries:
        of, changes = e.made_of, "; ".join(e.changes)
        rows.append(
            [
                e.person,
                e.split,
                e.name,
                e.source,
                1,
                e.seconds,
                e.measured_s,
                e.method,
                e.support,
                of,
                changes,
                "",
            ]
        )
    for r in index.rejected:
        why = " ".join(f"{x.code}: {x.sentence}." for x in r.reasons)
        rows.append([r.person, "", r.name, r.source, 0, "", "", "", "", r.made_of, "", why])
    rows.sort(key=lambda row: f"{row[0]}/{row[2]}")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(REPORT_COLUMNS)
    table.writerows(rows)
    return text.getvalue()


def _replace_text(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[:60]
