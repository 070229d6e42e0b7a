"""The page in a real browser: what is drawn is what the LiveFrame says, and what is not known is not shown."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from kincast.models.body import BodyParameters
from kincast.streaming.display import build
from kincast.streaming.display.person import person_scene
from kincast.streaming.display.server import DisplayConfig
from kincast.streaming.messages import LiveFrame, SessionHeader
from tests.streaming.running_display import RunningDisplay, running_display
from tests.streaming.synthetic_walk import (
    FRAME_RATE,
    MASS_KG,
    Walk,
    engine_health,
    frames,
    live_frame,
    make_walk,
)

sync_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",  # containers have 64 MB of it
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
SMALL = {"width": 900, "height": 560}
JOINT_TOLERANCE_M = 0.005
ARROW_TOLERANCE = 0.02
# moments (epoch ms) at which the page changed what it says about itself
WATCH = """
window.moments = {};
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
  for (const name of ["no-signal", "blank"])
    if (document.body.classList.contains(name)) window.moments[name] ??= Date.now();
    else delete window.moments[name];
}).observe(document.body, {attributes: true, attributeFilter: ["class"]}));
addEventListener("keydown", () => { window.moments.key = Date.now(); }, true);
"""


@pytest.fixture(scope="module")
def walk() -> Walk:
    return make_walk(stiff_right=0.75)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        except sync_api.Error as error:
            pytest.skip(f"{chromium} does not start here: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def built() -> None:
    try:
        build.build()
    except build.PageBuildError as error:
        pytest.skip(f"the page cannot be built here: {error}")


@pytest.fixture
def display(built: None) -> Iterator[RunningDisplay]:
    header = SessionHeader("s1", "P017", "HALPE_26", (), mass_kg=MASS_KG, source="synthetic walk")
    with running_display(person_scene(BodyParameters(mass_kg=MASS_KG), header), DisplayConfig()) as running:
        yield running


class Screens:
    """Opens pages and keeps what went wrong in them and whom they talked to."""

    def __init__(self, browser: sync_api.Browser, display: RunningDisplay) -> None:
        self.context = browser.new_context(viewport=SMALL)
        self.context.add_init_script(WATCH)
        self.display = display
        self.complaints: list[str] = []
        self.addresses: set[str] = set()

    def open(self, path: str) -> sync_api.Page:
        page = self.context.new_page()
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.addresses.add(request.url.split("/")[2]))
        page.goto(self.display.url.rstrip("/") + path)
        until(page, "window.kincast?.state().connected")
        return page


@pytest.fixture
def screens(browser: sync_api.Browser, display: RunningDisplay) -> Iterator[Screens]:
    opened = Screens(browser, display)
    yield opened
    opened.context.close()
    # software rendering has its own warnings, which say nothing about the page
    ours = [
        text for text in opened.complaints if "GPU stall" not in text and "swiftshader" not in text.lower()
    ]
    assert ours == []
    assert opened.addresses <= {display.host}, "the page must work without any other server"


def until(page: sync_api.Page, expression: str, timeout_s: float = 60.0) -> None:
    """Wait until the expression is true (Playwright's own waiting uses eval, which the page's policy forbids)."""
    deadline = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        time.sleep(0.02)


def drawn(page: sync_api.Page, seq: int) -> dict:
    """What the page has drawn of frame ``seq``."""
    until(page, f"window.kincast.scene()?.seq === {seq}")
    return page.evaluate("window.kincast.scene()")


def stream(display: RunningDisplay, walk: Walk, first: int, last: int) -> None:
    """Send frames at their own pace."""
    for frame in frames(walk, first, last):
        display.put(frame)
        time.sleep(1 / FRAME_RATE)


@contextmanager
def streaming(display: RunningDisplay, walk: Walk, first: int) -> Iterator[list[float]]:
    """Frames keep coming until the block ends; gives the moments (epoch seconds) at which they went out."""
    stop = threading.Event()
    sent: list[float] = []

    def send() -> None:
        i = first
        while not stop.wait(1 / FRAME_RATE):
            display.put(live_frame(walk, i))
            sent.append(time.time())
            i += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def arrow_errors(frame: LiveFrame, arrows: list[dict]) -> list[float]:
    """Distance of the arrow from the force, relative to the force; origins are checked on the way."""
    assert frame.kinetics is not None
    errors = []
    for arrow in arrows:
        foot = frame.kinetics.right if arrow["side"] == "right" else frame.kinetics.left
        assert arrow["visible"] == bool(np.linalg.norm(foot.force) > 1.0)
        if arrow["visible"]:
            assert np.linalg.norm(np.array(arrow["origin_m"]) - foot.cop) < JOINT_TOLERANCE_M
            difference = np.array(arrow["vector_n"]) - foot.force
            errors.append(float(np.linalg.norm(difference) / np.linalg.norm(foot.force)))
    return errors


def test_joints_and_arrows_are_drawn_where_the_frame_says(
    screens: Screens, display: RunningDisplay, walk: Walk
) -> None:
    page = screens.open("/")
    arrows = 0
    for i in range(5, 5 + walk.n, 7):
        frame = live_frame(walk, i)
        display.put(frame)
        scene = drawn(page, i)
        joints = np.array([scene["bodies"][name] for name in walk.bodies])
        assert np.linalg.norm(joints - frame.body_xpos, axis=1).max() < JOINT_TOLERANCE_M
        turned = np.array([scene["quaternions"][name] for name in walk.bodies])
        assert np.abs(np.abs(np.sum(turned * frame.body_xquat, axis=1)) - 1.0).max() < 1e-5
        errors = arrow_errors(frame, scene["arrows"])
        arrows += len(errors)
        assert max(errors, default=0.0) < ARROW_TOLERANCE
    assert arrows >= 8


def test_the_person_is_seen(screens: Screens, display: RunningDisplay, walk: Walk) -> None:
    """Bone-coloured pixels are in the picture while there is a signal, and only then."""
    page = screens.open("/patient")

    def bone_pixels() -> int:
        picture = page.locator(".stage canvas").screenshot()
        import cv2

        image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        blue, red = image[..., 0].astype(int), image[..., 2].astype(int)
        return int(((red > 120) & (red > blue + 15)).sum())

    with streaming(display, walk, 0):
        until(page, "window.kincast.scene()?.greyed === false")
        time.sleep(0.3)
        seen = bone_pixels()
    assert seen > 400
    # a screen whose signal is lost shows no bone-coloured figure either
    until(page, "!window.kincast.state().signal")
    until(page, "window.kincast.scene().greyed")
    assert bone_pixels() < 20


def test_invalid_kinetics_is_grey_and_says_why(screens: Screens, display: RunningDisplay, walk: Walk) -> None:
    page = screens.open("/")
    with streaming(display, walk, 0):
        until(page, "window.kincast.scene()?.arrows.some((arrow) => arrow.visible && !arrow.greyed)")
        assert page.locator(".validity").inner_text() == ""
    display.put(live_frame(walk, 901, valid=False))
    scene = drawn(page, 901)
    shown = [arrow for arrow in scene["arrows"] if arrow["visible"]]
    assert shown
    assert all(arrow["greyed"] for arrow in shown)
    reason = "residual 21 % of body weight"
    assert reason in page.locator(".validity").inner_text()
    until(page, "document.querySelectorAll('.trace.invalid').length === 2")  # force, moment; not the angle
    assert reason in page.locator(".trace.invalid .trace-why").first.inner_text()


@pytest.mark.parametrize("path", ["/", "/patient"])
def test_signal_loss_greys_the_screen_at_once(
    screens: Screens, display: RunningDisplay, walk: Walk, path: str
) -> None:
    page = screens.open(path)
    delays = []
    # a computer with other things to do may be late now and then, the page itself may not
    while min(delays, default=1.0) >= 0.4 and len(delays) < 10:
        attempt = len(delays)
        with streaming(display, walk, 1000 * attempt) as sent:
            until(
                page, f"window.kincast.state().signal && window.kincast.scene()?.seq > {1000 * attempt + 100}"
            )
        until(page, "window.moments['no-signal']")
        delays.append(page.evaluate("window.moments['no-signal'] / 1000") - sent[-1])
    assert 0.15 < min(delays) < 0.4
    assert page.evaluate("window.kincast.scene().greyed")
    if path == "/patient":
        assert page.locator(".cover").is_visible()
        assert "No signal" in page.locator(".cover").inner_text()
        for score in (".big-value", ".tally", ".verdict", ".gauge-side"):
            assert not page.locator(score).is_visible()
    else:
        assert page.locator(".status").inner_text() == "No signal"
    with streaming(display, walk, 50_000):
        until(page, "window.kincast.state().signal")


def test_the_blank_key_blanks_the_patient_screen_across_screens(
    screens: Screens, display: RunningDisplay, walk: Walk
) -> None:
    patient, therapist = screens.open("/patient"), screens.open("/")
    stream(display, walk, 0, 40)
    assert not patient.locator(".curtain").is_visible()
    # also while a menu has the focus
    therapist.locator(".trace select").first.focus()
    delays = []
    while min(delays, default=1000) > 100 and len(delays) < 10:
        therapist.keyboard.press("b")
        until(patient, "window.moments.blank")
        pressed = therapist.evaluate("window.moments.key")
        delays.append(patient.evaluate("window.moments.blank") - pressed)
        assert patient.locator(".curtain").is_visible()
        therapist.keyboard.press("b")
        until(patient, "!window.moments.blank")
    assert min(delays) <= 100, f"blanked after {delays} ms"
    patient.keyboard.press("b")
    assert patient.locator(".curtain").is_visible()
    until(therapist, "window.kincast.state().blank")


def test_every_press_of_the_blank_key_counts(screens: Screens) -> None:
    """Also those that come while the answer to an earlier one is on its way."""
    patient, therapist = screens.open("/patient"), screens.open("/")
    blank = False
    for presses in (21, 20, 23, 22, 25, 24):
        therapist.evaluate(
            """async (presses) => {
                for (let i = 0; i < presses; i++) {
                    dispatchEvent(new KeyboardEvent("keydown", { key: "b" }));
                    await new Promise((resolve) => setTimeout(resolve, i % 7));
                }
            }""",
            presses,
        )
        blank ^= presses % 2 == 1
        assert therapist.evaluate("window.kincast.state().blank") == blank
        until(patient, f"document.body.classList.contains('blank') === {str(blank).lower()}", 10.0)


def test_strides_events_cameras_and_latency_are_shown(
    screens: Screens, display: RunningDisplay, walk: Walk
) -> None:
    therapist, patient = screens.open("/"), screens.open("/patient")
    display.put(engine_health(0))
    stream(display, walk, 0, 4 * walk.n)
    last = 4 * walk.n
    display.put(live_frame(walk, last))
    drawn(therapist, last)
    drawn(patient, last)
    gait = therapist.locator(".gait").inner_text()
    assert "1.3" in gait
    assert "± 0.01" in gait
    cameras = therapist.evaluate("window.kincast.state().cameras")
    assert cameras == {"cam0": "ok", "cam1": "ok", "cam2": "ok", "cam3": "degraded"}
    assert "6.3" in therapist.locator(".engine").inner_text()
    assert therapist.evaluate("window.kincast.state().traces") == [
        "angle:knee_angle",
        "force:vertical",
        "moment:ankle_angle",
    ]
    # the stiff right knee (75 % of 56 deg and the rest) stays below the band of 50 to 70 deg
    assert "in the band" in therapist.locator(".feedback .score-line").inner_text()
    assert patient.locator(".verdict").text_content() == "A little more"
    value = float((patient.locator(".big-value").text_content() or "").rstrip("°"))
    assert 40 < value < 50
    assert (patient.locator(".tally").text_content() or "").startswith("0 of ")


def test_a_quantity_is_chosen_by_keyboard_and_outlives_a_new_body(
    screens: Screens, display: RunningDisplay, walk: Walk
) -> None:
    page = screens.open("/")
    stream(display, walk, 0, 20)
    first = page.locator(".trace select").first
    first.focus()
    page.keyboard.type("hip flexion a")
    until(page, "window.kincast.state().traces[0] === 'angle:hip_flexion'")
    parameters = BodyParameters(mass_kg=MASS_KG, scales={**BodyParameters().scales, "overall": 1.1})
    display.put(person_scene(parameters, None), live_frame(walk, 20))
    drawn(page, 20)
    until(page, "window.kincast.state().traces[0] === 'angle:hip_flexion'")
