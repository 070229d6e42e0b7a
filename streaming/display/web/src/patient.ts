import { Chime } from "./chime";
import { el, setText } from "./dom";
import { Gauge } from "./panels/gauge";
import type { Feedback, LiveFrame, Notice, Scene } from "./protocol";
import type { Screen, ScreenState } from "./screen";
import { Figure } from "./view/figure";

const NAMES: Record<string, string> = {
  hip_flexion: "hip bend",
  hip_adduction: "hip sideways",
  hip_rotation: "hip turn",
  knee_angle: "knee bend",
  ankle_angle: "foot lift",
};

/** The patient's screen: one target, the last stride against it, nothing that could mislead. */
export class PatientScreen implements Screen {
  readonly figure: Figure;
  private readonly title = el("h1", "goal", {}, "");
  private readonly value = el("div", "big-value", {}, "–");
  private readonly verdict = el("div", "verdict", { "aria-live": "polite" });
  private readonly tally = el("div", "tally");
  private readonly beads = el("div", "beads", { "aria-hidden": "true" });
  private readonly cover = el("div", "cover", { role: "alert" }, el("strong", "", {}, "No signal"));
  private readonly curtain = el("div", "curtain", { "aria-hidden": "true" });
  private readonly gauge = new Gauge();
  private readonly chime = new Chime();
  private counted = -1;
  private blank = false;
  private signal = false;

  constructor(root: HTMLElement) {
    const stage = el("div", "stage");
    root.append(
      el(
        "main",
        "patient",
        {},
        stage,
        el("div", "gauge-side", {}, this.gauge.element),
        el("div", "words", {}, this.title, this.value, this.verdict, this.beads, this.tally),
      ),
      el("span", "disclaimer", {}, "Research software, not a certified medical device"),
      this.cover,
      this.curtain,
    );
    this.figure = new Figure(stage, { muscles: false, forces: false });
    this.state({ connected: false, signal: false });
  }

  scene(scene: Scene): void {
    this.figure.setScene(scene);
  }

  frames(frames: LiveFrame[]): void {
    const frame = frames[frames.length - 1]!;
    this.figure.setFrame(frame);
    document.body.classList.toggle("waiting", frame.kinematics?.tracked !== true);
  }

  notice(notice: Notice): void {
    if (notice.type === "feedback") this.feedback(notice);
    else if (notice.type === "control") this.setBlank(notice.blank);
  }

  state(state: ScreenState): void {
    this.signal = state.signal;
    this.figure.setCurrent(state.signal);
    document.body.classList.toggle("no-signal", !state.signal);
  }

  /** Blanks this screen without waiting for the server. */
  setBlank(blank: boolean): void {
    this.blank = blank;
    document.body.classList.toggle("blank", blank);
  }

  key(key: string): boolean {
    if (key !== "s") return false;
    this.chime.toggle();
    return true;
  }

  draw(now: number): void {
    if (!this.blank) this.figure.render(now);
  }

  debug(): Record<string, unknown> {
    return { sound: this.chime.on };
  }

  private feedback(feedback: Feedback): void {
    const { target, strides } = feedback;
    const side = target.coordinate.endsWith("_l") ? "Left " : target.coordinate.endsWith("_r") ? "Right " : "";
    const base = target.coordinate.replace(/_[rl]$/, "");
    const name = NAMES[base] ?? base.replace(/_angle$/, "").replaceAll("_", " ");
    setText(this.title, `${side}${side ? name : name.charAt(0).toUpperCase() + name.slice(1)}`);
    const counted = strides.filter((stride) => stride.value !== null);
    const last = counted[counted.length - 1];
    this.gauge.show(target, counted.map((stride) => stride.value as number));
    setText(this.value, last ? `${last.value!.toFixed(0)}°` : "–");
    const [word, kind] = !last
      ? ["Start walking", "wait"]
      : last.in_band
        ? ["In the target", "in"]
        : last.value! < target.low
          ? ["A little more", "more"]
          : ["A little less", "less"];
    setText(this.verdict, word);
    this.verdict.className = `verdict ${kind}`;
    this.value.className = `big-value ${kind}`;
    this.beads.replaceChildren(
      ...counted.map((stride) => el("span", stride.in_band ? "bead in" : stride.value! < target.low ? "bead more" : "bead less")),
    );
    setText(this.tally, feedback.counted ? `${feedback.in_band} of ${feedback.counted} steps in the target` : "");
    if (feedback.counted > this.counted && this.counted >= 0 && last?.in_band && this.signal && !this.blank) this.chime.play();
    this.counted = feedback.counted;
  }
}
