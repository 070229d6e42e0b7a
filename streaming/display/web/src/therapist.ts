import { el, setText } from "./dom";
import { CameraPanel } from "./panels/cameras";
import { EnginePanel } from "./panels/engine";
import { FeedbackPanel } from "./panels/feedback";
import { GaitPanel } from "./panels/gait";
import { StatusBanner } from "./panels/status";
import type { LiveFrame, Notice, Scene, Target } from "./protocol";
import type { Screen, ScreenState } from "./screen";
import { channelsOf, DEFAULT_CHANNELS } from "./traces/channels";
import { History } from "./traces/history";
import { Trace } from "./traces/trace";
import { Figure } from "./view/figure";
import type { ViewName } from "./view/stage";

/** Traces, numbers and tables are redrawn this often: faster nobody reads. */
const TRACE_PERIOD_MS = { hardware: 66, software: 200 } as const;
const TABLE_PERIOD_MS = 200;
const LONGEST_WAIT_MS = 400;
const VIEW_KEYS: Record<string, ViewName> = { "1": "oblique", "2": "right", "3": "front", "4": "left", "5": "back" };

/** The clinician's screen: 3D view, traces, gait, cameras, latency and the control of the patient screen. */
export class TherapistScreen implements Screen {
  readonly figure: Figure;
  private readonly subject = el("span", "subject");
  private readonly validity = el("div", "validity", { role: "status" });
  private readonly residual = el("span");
  private readonly stage = el("div", "stage");
  private readonly traceHost = el("div", "traces");
  private readonly history = new History();
  private readonly gait = new GaitPanel();
  private readonly cameras = new CameraPanel();
  private readonly engine = new EnginePanel();
  private readonly status = new StatusBanner();
  private readonly feedback: FeedbackPanel;
  private traces: Trace[] = [];
  private tracesDrawnMs = 0;
  private tablesShownMs = 0;
  private pictureMs = 0;
  private newest: LiveFrame | null = null;
  private drawnSeq = -1;
  private stale = true;

  constructor(root: HTMLElement, actions: { aim(target: Target): void; blank(): void }) {
    this.feedback = new FeedbackPanel(actions);
    const views = el("div", "views", { role: "toolbar", "aria-label": "view" });
    for (const [key, view] of Object.entries(VIEW_KEYS)) {
      const button = el("button", "", { type: "button", title: `key ${key}` }, view);
      button.onclick = () => this.figure.look(view);
      views.append(button);
    }
    const legend = el(
      "div",
      "legend",
      {},
      el("span", "side-right", {}, "━ right"),
      el("span", "side-left", {}, "╍ left"),
      el("span", "", {}, "▼ foot strike  △ foot off"),
      el("span", "", {}, "activation 0 ", el("i", "ramp"), " 1"),
      this.residual,
      el("span", "keys", { title: "1 to 5: views; f: follow the person or stay; b: blank the patient screen" }, "keys 1–5, f, b"),
    );
    this.stage.append(this.validity, views, legend);
    root.append(
      el(
        "header",
        "top",
        {},
        el("span", "brand", {}, "kincast"),
        this.subject,
        this.status.element,
        el("span", "disclaimer", {}, "Research software, not a certified medical device"),
      ),
      el("main", "middle", {}, this.stage, this.traceHost),
      el("footer", "bottom", {}, this.gait.element, this.feedback.element, this.cameras.element, this.engine.element),
    );
    this.figure = new Figure(this.stage, { muscles: true, forces: true });
  }

  scene(scene: Scene): void {
    this.figure.setScene(scene);
    this.feedback.scene(scene);
    const support = scene.external_support === "none" ? "" : `with ${scene.external_support}: forces and moments incomplete`;
    this.subject.textContent = [scene.subject_id, scene.source, support].filter(Boolean).join(" · ");
    const shown = this.traces.map((trace) => trace.shown);
    const channels = channelsOf(scene);
    this.traces = DEFAULT_CHANNELS.map((channel, k) => new Trace(channels, shown[k] ?? channel, this.history));
    this.traceHost.replaceChildren(...this.traces.map((trace) => trace.element));
  }

  frames(frames: LiveFrame[]): void {
    for (const frame of frames) {
      this.history.frame(frame);
      this.cameras.hear(frame);
    }
    const frame = frames[frames.length - 1]!;
    this.newest = frame;
    this.figure.setFrame(frame);
    this.status.frame(frame);
    this.stale = true;
  }

  notice(notice: Notice): void {
    if (notice.type === "event") this.history.event(notice);
    else if (notice.type === "stride") this.gait.stride(notice);
    else if (notice.type === "feedback") this.feedback.feedback(notice);
    else if (notice.type === "health") {
      this.engine.show(notice);
      this.status.set({ ready: notice.ready });
    }
    else {
      this.feedback.control(notice);
      this.status.set({ sourceError: notice.source_error });
    }
  }

  state(state: ScreenState): void {
    this.status.set(state);
    this.figure.setCurrent(state.signal);
    document.body.classList.toggle("no-signal", !state.signal);
  }

  key(key: string): boolean {
    const view = VIEW_KEYS[key];
    if (view) this.figure.look(view);
    else if (key === "f") this.figure.toggleFollow();
    else return false;
    return true;
  }

  draw(now: number): void {
    const drawn = this.figure.render(now);
    const { newest } = this;
    if (drawn && newest && newest.seq !== this.drawnSeq) {
      this.drawnSeq = newest.seq;
      this.engine.drawn(newest);
      this.status.set({ slow: this.engine.slow && !this.figure.forPrint });
      setText(this.validity, invalidity(newest));
    }
    // drawn in software, every change of the page costs: then all wait for the next picture of the person
    if (this.figure.software && !drawn && now - this.pictureMs < LONGEST_WAIT_MS) return;
    if (drawn) this.pictureMs = now;
    if (newest && now - this.tablesShownMs >= TABLE_PERIOD_MS) {
      this.tablesShownMs = now;
      this.show(newest);
    }
    if (!this.stale || now - this.tracesDrawnMs < TRACE_PERIOD_MS[this.figure.software ? "software" : "hardware"]) return;
    this.tracesDrawnMs = now;
    this.stale = this.traces.map((trace) => trace.update()).includes(false);
  }

  private show(frame: LiveFrame): void {
    this.gait.reason(frame.noEvent);
    this.cameras.show(frame);
    this.engine.frame(frame);
    setText(this.residual, frame.kinetics ? `pelvis residual ${frame.kinetics.residualPctBw.toFixed(0)} % BW` : "");
  }

  debug(): Record<string, unknown> {
    return { cameras: { ...this.cameras.verdicts }, traces: this.traces.map((trace) => trace.shown) };
  }
}

function invalidity(frame: LiveFrame): string {
  const { kinematics, kinetics } = frame;
  const said: string[] = [];
  if (kinematics && !kinematics.tracked) said.push("person not tracked");
  else if (kinematics && !kinematics.valid) {
    said.push(frame.status.includes("initialising") ? "angles not valid yet" : "angles not valid: too uncertain");
  }
  if (kinetics && !kinetics.valid) said.push(`forces, moments and muscles not valid${kinetics.reason ? `: ${kinetics.reason}` : ""}`);
  return said.join(" · ");
}
