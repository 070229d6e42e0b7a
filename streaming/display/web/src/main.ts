import { Connection } from "./connection";
import type { Control } from "./protocol";
import { PatientScreen } from "./patient";
import type { Screen } from "./screen";
import { SignalWatch } from "./signal";
import "./style/base.css";
import "./style/therapist.css";
import "./style/patient.css";
import { TherapistScreen } from "./therapist";
import type { DrawnScene } from "./view/figure";

declare global {
  interface Window {
    /** Read-only questions about what is drawn; for tests. */
    kincast: { scene(): DrawnScene | null; state(): Record<string, unknown> };
  }
}

const role = location.pathname.startsWith("/patient") ? "patient" : "therapist";
document.body.dataset["role"] = role;
document.title = role === "patient" ? "kincast: patient" : "kincast";

let connected = false;
let blank = false;

const screen: Screen =
  role === "patient"
    ? new PatientScreen(document.body)
    : new TherapistScreen(document.body, {
        aim: (target) => connection.aim(target),
        blank: () => toggleBlank(),
      });

const signal = new SignalWatch(() => tell());
const tell = (): void => screen.state({ connected, signal: signal.present });

const connection: Connection = new Connection(
  role,
  {
    scene: (scene) => screen.scene(scene),
    frames: (frames) => {
      screen.frames(frames);
      for (const frame of frames) signal.frame(frame);
    },
    notice: (notice) => {
      if (notice.type === "control") ({ blank } = notice satisfies Control);
      screen.notice(notice);
    },
    connected: (now) => {
      connected = now;
      if (!now) signal.lost();
      tell();
    },
  },
  () => screen.figure.periodMs,
);

function toggleBlank(): void {
  blank = !blank;
  if (screen instanceof PatientScreen) screen.setBlank(blank);
  connection.blank(blank);
}

addEventListener("keydown", (press) => {
  if (press.ctrlKey || press.metaKey || press.altKey || press.repeat) return;
  if (press.key === "b" || press.key === "B") {
    // here too in fields and menus: blanking must never depend on where the focus is
    press.preventDefault();
    toggleBlank();
    return;
  }
  const typing = press.target instanceof HTMLInputElement || press.target instanceof HTMLSelectElement;
  if (!typing && screen.key(press.key.toLowerCase())) press.preventDefault();
});

window.kincast = Object.freeze({
  scene: () => screen.figure.drawn(),
  state: () => ({ role, connected, signal: signal.present, blank, drawing: screen.figure.debug(), ...screen.debug() }),
});

const loop = (now: number): void => {
  screen.draw(now);
  requestAnimationFrame(loop);
};
tell();
requestAnimationFrame(loop);
