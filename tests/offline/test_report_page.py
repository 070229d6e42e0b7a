"""The page itself: self-contained, honest about what it leaves out, and made of any folder that can be read."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kincast.deploy.cli import main
from kincast.models.errors import UserMistakeError
from kincast.offline.report import pdf
from kincast.offline.report.document import ReportOptions, make_document
from kincast.offline.report.findings import judge
from kincast.offline.report.make import write_report
from kincast.offline.report.norm_bands import NormFileError
from kincast.offline.report.phases import phases
from kincast.offline.report.session import ReportInputError, load_session
from kincast.offline.report.strides import strides_of
from kincast.streaming.results.session import KineticsSd
from tests.offline.report_page import Page, read_page
from tests.offline.written_session import MASS_KG, STANCE, STRIDE_S, Walk, results, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("walk"), Walk())


def page_of(folder: Path, **options: object) -> Page:
    output = folder / "page.html"
    write_report(folder, output, ReportOptions(**options))  # type: ignore[arg-type]
    return read_page(output.read_text())


def test_the_page_needs_nothing_from_anywhere(folder: Path) -> None:
    output = folder / "report.html"
    write_report(folder, output)
    html = output.read_text()
    page = read_page(html)
    assert all(address.startswith("data:") for address in page.references)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", html)
    assert "default-src 'none'" in html
    assert html.count("<svg") > 25


def test_the_first_page_says_what_a_reader_wants_first(folder: Path) -> None:
    page = page_of(folder)
    for said in (
        "P017", "visit-1", "2025-10-09", "70.0 kg", "1.75 m", "Joint angles and gait measures: usable",
        "Research software. Not a certified medical device", "Counted strides: 6 left, 6 right of 6 and 6",
        "Knee flexion, peak in swing", "PeerJ 6:e4640", "24 healthy young adults", "They walked about as fast",
    ):  # fmt: skip
        assert said in page.text
    assert page.table("key")["knee_swing"][3].endswith("≠")
    assert "Knee flexion, peak in swing : 19.9 deg more on the right" in page.text


def test_unknown_external_force_withholds_every_moment(tmp_path: Path) -> None:
    page = page_of(write(tmp_path, Walk(support="cane")))
    assert "Unknown external force" in page.text
    assert "UNKNOWN_EXTERNAL_FORCE" in page.text
    assert "Forces, moments, muscles: not usable" in page.text
    for key in ("plantarflexor_peak", "ankle_power_peak", "grf_first_peak"):
        assert key not in page.table("gait")
    for title in ("Ankle moment", "Ankle power", "Vertical force", "Soleus"):
        assert title not in page.text
    assert "knee_swing" in page.table("gait")  # angles do not depend on forces


def test_a_harness_of_stated_lift_withholds_nothing(tmp_path: Path) -> None:
    assert "plantarflexor_peak" in page_of(write(tmp_path, Walk(support="harness(120)"))).table("gait")


def test_texts_of_the_results_cannot_become_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    folder = write(tmp_path, Walk(session=evil, subject=evil))
    output = tmp_path / "report.html"
    write_report(folder, output)
    html = output.read_text()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("what", ["standing", "lost", "no_kinetics", "no_body", "no_validity", "bare"])
def test_sessions_without_this_or_that_still_make_a_page(what: str, tmp_path: Path) -> None:
    session = results(Walk())
    if what in ("standing", "lost"):
        session = dataclasses.replace(session, events=(), strides=())
    if what == "lost":
        nothing = np.zeros(len(session.t_ns), bool)
        session = dataclasses.replace(
            session, kinematics_valid=nothing, kinetics_valid=nothing, tracked=nothing
        )
    folder = write(tmp_path, Walk(), session)
    for name in {
        "no_kinetics": ("torques.sto", "grf.mot", "residuals.sto", "activations.sto", "activations_sd.sto"),
        "no_body": ("body.json",),
        "no_validity": ("valid.csv",),
        "bare": tuple(p.name for p in folder.iterdir() if p.name != "kinematics.mot"),
    }.get(what, ()):
        (folder / name).unlink()
    page = page_of(folder)
    expected = {
        "standing": ("No walking was found", "Over the valid time", "Vertical force under each foot"),
        "lost": ("Joint angles: not usable", "ANGLES_OFTEN_INVALID"),
        "no_kinetics": ("The results hold no forces and moments", "Knee flexion, peak in swing"),
        "no_body": ("BODY_MISSING", "Knee flexion, peak in swing"),
        "no_validity": ("VALIDITY_UNKNOWN", "not usable", "No stride counts"),
        "bare": ("VALIDITY_UNKNOWN", "not stated"),
    }[what]
    for said in expected:
        assert said in page.text


def spoiled(folder: Path, target: Path, **summary: object) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.suffix not in (".html", ".pdf"):
            (target / file.name).write_bytes(file.read_bytes())
    document = json.loads((target / "summary.json").read_text()) | summary
    (target / "summary.json").write_text(json.dumps(document))
    return target


@pytest.mark.parametrize(
    ("code", "summary"),
    [
        ("TRACKING_LOST", {"lost_count": 2}),
        ("BODY_OFF_IMAGES", {"reprojection_px": {"median": 40.0}}),
        ("INPUT_LOST", {"lost": {"messages": 40, "seconds": 1.5}}),
        ("BODY_OF_OTHER_RUN", {"body_sha256": "0" * 64}),
        ("FEW_CAMERAS", {"cameras": {"a": {"gc5": 0.5, "median_px": 4.0}}}),
        (
            "CAMERA_DISAGREES",
            {"cameras": {n: {"gc5": 0.5, "median_px": 12.0 if n == "c" else 4.0} for n in "abcd"}},
        ),
        (
            "CAMERA_WITHOUT_DATA",
            {"cameras": {n: {"gc5": None, "median_px": None if n == "c" else 4.0} for n in "abcd"}},
        ),
    ],
)
def test_findings_name_what_is_wrong_and_what_to_do(
    code: str, summary: dict[str, object], folder: Path, tmp_path: Path
) -> None:
    clean = load_session(folder)
    assert {f.code for f in judge(clean, strides_of(clean)).findings} == set()
    session = load_session(spoiled(folder, tmp_path, **summary))
    findings = {f.code: f for f in judge(session, strides_of(session)).findings}
    assert set(findings) == {code}
    found = findings[code]
    assert found.remedies
    assert len(found.sentence) <= 100
    if code.startswith("CAMERA"):
        assert " c " in found.sentence


def test_residual_is_judged_where_forces_are_said_valid(tmp_path: Path) -> None:
    session = results(Walk())
    seated = np.arange(len(session.t_ns)) < 200
    residual = np.zeros((len(seated), 6))
    residual[seated, 2] = (
        0.6 * MASS_KG * 9.80665
    )  # a seat carries most of the weight, and the rows say they are not valid
    session = dataclasses.replace(session, residual=residual, kinetics_valid=~seated)
    judged = load_session(write(tmp_path / "seat", Walk(), session))
    assert "RESIDUAL_HIGH" not in {f.code for f in judge(judged, strides_of(judged)).findings}
    session = dataclasses.replace(session, kinetics_valid=np.ones(len(seated), bool))
    judged = load_session(write(tmp_path / "bad", Walk(), session))
    verdict = judge(judged, strides_of(judged))
    assert "RESIDUAL_HIGH" in {f.code for f in verdict.findings}
    assert (verdict.motion, verdict.forces) == ("usable", "not usable")


WEIRD = st.sampled_from(["", "nan", "inf", "-1e300", "1e12", "left", "x", "0", "-3.5", "7"])
NUMBER = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.integers(),
    st.floats(),
    st.lists(st.integers(), max_size=2),
)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cells=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 40), WEIRD), max_size=12),
    file=st.sampled_from(["gait.csv", "valid.csv", "events.csv", "kinematics.mot", "torques.sto", "grf.mot"]),
    summary=st.dictionaries(
        st.sampled_from(["gc", "cameras", "reprojection_px", "lost", "lost_count", "start_ns", "versions", "height_m", "mass_kg", "keypoint_set"]),
        NUMBER,
        max_size=4,
    ),
)  # fmt: skip
def test_weird_files_give_a_page_or_a_message(
    folder: Path, tmp_path: Path, cells: list[tuple[int, int, str]], file: str, summary: dict[str, object]
) -> None:
    target = spoiled(folder, tmp_path / "weird", **summary)
    separator = "," if file.endswith("csv") else "\t"
    lines = (target / file).read_text().split("\n")
    first = 1 if file.endswith("csv") else next(i for i, v in enumerate(lines) if v == "endheader") + 2
    for row, column, text in cells:
        at = first + row % max(1, len(lines) - first - 1)
        row_cells = lines[at].split(separator)
        row_cells[column % len(row_cells)] = text
        lines[at] = separator.join(row_cells)
    (target / file).write_text("\n".join(lines))
    output = target / "report.html"
    try:
        write_report(target, output)
    except UserMistakeError:
        return
    html = output.read_text()
    assert "<b>nan" not in html
    assert not re.search(r'[dxy]\d?="[^"]*(nan|inf)', html)


def test_changes_carry_the_least_detectable_one(tmp_path: Path) -> None:
    day = 86_400_000_000_000
    before = write(tmp_path / "before", Walk(session="visit-1"))
    later = Walk(
        knee_peaks={
            "right": (60.0, 62.0, 61.0, 63.0, 59.0, 60.5),
            "left": (58.0, 59.0, 57.5, 58.5, 58.2, 58.0),
        },
        session="visit-2",
        start_ns=Walk().start_ns + 7 * day,
    )
    document = make_document(write(tmp_path / "later", later), ReportOptions(earlier=(before,)))
    knee = {c.side: c for c in document.changes if c.measure.key == "knee_swing"}
    assert knee["left"].beyond
    assert not knee["right"].beyond
    ends = [np.array(w.knee_peaks["left"]) for w in (Walk(), later)]
    assert knee["left"].change == pytest.approx(ends[1].mean() - ends[0].mean(), abs=0.2)
    shared = 2.0**2 - 1.2**2
    squares = [v.var(ddof=1) / 6 + shared + max(0.0, 1.2**2 - v.var(ddof=1)) for v in ends]
    assert knee["left"].detectable == pytest.approx(1.96 * np.sqrt(sum(squares)), rel=0.05)
    page = page_of(tmp_path / "later", earlier=(before,))
    assert "2025-10-09" in page.text
    assert page.table("changes")["knee_swing left"][-2].endswith("*")
    with pytest.raises(ReportInputError, match="different people"):
        make_document(write(tmp_path / "other", Walk(subject="P018")), ReportOptions(earlier=(before,)))


def test_a_session_without_a_subject_is_compared_with_a_word_of_caution(folder: Path, tmp_path: Path) -> None:
    nameless = write(tmp_path / "nameless", Walk(subject="", session="visit-0"))
    assert "Not every session states its subject" in page_of(folder, earlier=(nameless,)).text


def test_norms_are_drawn_scored_and_cited(folder: Path, tmp_path: Path) -> None:
    band = {"percent": [0, 100], "mean": [5, 5], "sd": [1, 1]}
    document = {
        "citation": "Nobody 2001",
        "curves": {"ankle_dorsiflexion": band},
        "measures": {"step_width_m": {"mean": 12, "sd": 3}},
    }
    (tmp_path / "n.json").write_text(json.dumps(document))
    page = page_of(folder, norms=tmp_path / "n.json")
    assert "Norm (grey band, mean ± 1 sd): Nobody 2001" in page.text
    assert page.table("gait")["step_width_m"][0].endswith("norm 12.0 ± 3.0")
    score = np.sqrt(np.mean((10 * np.sin(2 * np.pi * np.linspace(0, 1, 101)) - 5) ** 2))
    assert page.text.count(f"{score:.1f}") >= 2
    assert (folder / "page.html").read_text().count('class="norm"') == 2


def test_shipped_norms_are_drawn_unless_refused(folder: Path) -> None:
    assert (page_of(folder), (folder / "page.html").read_text().count('class="norm"'))[1] == 6
    page = page_of(folder, norms="none")
    assert "No normative band is shown" in page.text
    assert 'class="norm"' not in (folder / "page.html").read_text()
    with pytest.raises(NormFileError, match="valid are adults, none"):
        page_of(folder, norms="children")


def test_what_the_run_found_is_said(folder: Path, tmp_path: Path) -> None:
    said = [
        "the calibration contradicts the pictures, camera c3 most: refined; calibrate the rig anew",
        7,
        "",
    ]
    page = page_of(spoiled(folder, tmp_path / "said", findings=said))
    assert "The calibration contradicts the pictures, camera c3 most: refined." in page.text
    assert "Calibrate the rig anew." in page.text


def test_a_walk_too_short_for_strides_tells_its_steps(tmp_path: Path) -> None:
    session = results(Walk())
    events = tuple(e for e in session.events if e.t_ns < Walk().start_ns + 1_500_000_000)
    folder = write(tmp_path, Walk(), dataclasses.replace(session, events=events, strides=()))
    found = {(p.label, p.side): p for p in phases(load_session(folder))}
    assert found["Step time", "left"].mean == pytest.approx(STRIDE_S / 2, abs=1e-3)
    assert found["Stance time", "right"].mean == pytest.approx(STANCE * STRIDE_S, abs=1e-3)
    assert found["Stance time", "right"].error == pytest.approx(np.hypot(0.01, 0.01))
    assert ("Stride time", "right") not in found
    page = page_of(folder)
    for said in ("Between gait events", "Step time", "Ranges of motion", "Ankle plantar flexor moment"):
        assert said in page.text
    assert "Elbow flexion" not in page.text  # nobody measured it


def test_stated_errors_of_forces_and_moments_enter_bands_and_intervals(folder: Path, tmp_path: Path) -> None:
    session = results(Walk())
    n = len(session.t_ns)
    sd = KineticsSd(
        np.full((n, 40), 14.0), np.full((n, 2, 3), 34.3), np.zeros((n, 2, 3)), np.zeros((n, 2, 3))
    )
    with_sd = write(tmp_path, Walk(), dataclasses.replace(session, kinetics_sd=sd))
    rows = {row.measure.key: row for row in make_document(with_sd, ReportOptions()).rows}
    for key, error in (
        ("plantarflexor_peak", 14.0 / MASS_KG),
        ("grf_first_peak", 34.3 / MASS_KG / 9.80665 * 100),
    ):
        one = rows[key].sides["left"]
        assert one.error == pytest.approx(error, rel=1e-3)
        assert one.half_width == pytest.approx(
            1.96 * error, rel=0.1
        )  # the strides are alike: all of it is shared
        assert rows[key].judged
    assert not rows["ankle_power_peak"].judged
    page_of(with_sd)
    html = (with_sd / "page.html").read_text()
    assert html.count('class="wide left"') == html.count('class="wide right"') == 7
    standing = dataclasses.replace(session, kinetics_sd=sd, strides=(), events=())
    page_of(write(tmp_path / "standing", Walk(), standing))
    html = (tmp_path / "standing" / "page.html").read_text()
    assert html.count('class="wide left"') == html.count('class="wide right"') == 4
    page_of(folder)
    assert 'class="wide' not in (folder / "page.html").read_text()


def test_live_results_of_another_recording_are_refused(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path, Walk(session="visit-9"))
    with pytest.raises(ReportInputError, match="another recording"):
        make_document(folder, ReportOptions(live=other))
    document = make_document(folder, ReportOptions(live=folder))
    assert [name for name, _, _ in document.gc] == ["this report", "live"]
    assert dict(document.live_beside)["Hip, knee and ankle, median RMSE"] == "0.0°; mean removed 0.0°"
    assert dict(document.live_beside)["Foot offs, median difference"] == "0 ms (14)"


def test_command_writes_the_page_and_refuses_in_words(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder), "-o", str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").is_file()
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert "P017" not in "".join(p.name for p in tmp_path.iterdir())


def test_no_chromium_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(pdf.NoChromiumError, match="apt-get install chromium"):
        pdf.print_pdf(tmp_path / "a.html", tmp_path / "a.pdf")


@pytest.mark.browser
def test_pdf_has_pages_of_a4(folder: Path, tmp_path: Path) -> None:
    if pdf.find_chromium() is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    assert main(["report", str(folder), "-o", str(tmp_path / "r.html"), "--pdf"]) == 0
    printed = (tmp_path / "r.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 8
    width, height = (float(v) for v in re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", printed)[0])
    assert (width, height) == pytest.approx((595.0, 842.0), abs=1.5)


def test_mass_is_what_forces_are_divided_by(folder: Path) -> None:
    session = load_session(folder)
    assert session.mass_kg == MASS_KG
