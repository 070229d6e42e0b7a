import { el, panel, setText } from "../dom";
import type { Control, Feedback, Scene, Target } from "../protocol";
import { readable } from "../traces/channels";

interface Actions {
  aim(target: Target): void;
  /** Blanks the patient screen, or shows it again. */
  blank(): void;
}

/** Therapist's side of the patient screen: the target, what was counted and why not, and the blank key. */
export class FeedbackPanel {
  readonly element: HTMLElement;
  private readonly coordinate = el("select", "", { "aria-label": "coordinate" });
  private readonly statistic = el(
    "select",
    "",
    { "aria-label": "statistic" },
    el("option", "", { value: "max" }, "peak"),
    el("option", "", { value: "min" }, "lowest"),
  );
  private readonly low = el("input", "", { type: "number", step: "1", "aria-label": "band from, degrees" });
  private readonly high = el("input", "", { type: "number", step: "1", "aria-label": "band to, degrees" });
  private readonly score = el("p", "score-line");
  private readonly why = el("p", "note");
  private readonly screens = el("span", "note");
  private readonly blankButton = el("button", "blank-button", { type: "button" });
  private blank = false;

  constructor(actions: Actions) {
    const form = el(
      "form",
      "target",
      {},
      this.statistic,
      this.coordinate,
      el("span", "band-inputs", {}, this.low, el("span", "", {}, "–"), this.high, el("span", "", {}, "°")),
      el("button", "", {}, "Set"),
    );
    form.onsubmit = (submit) => {
      submit.preventDefault();
      actions.aim({
        coordinate: this.coordinate.value,
        statistic: this.statistic.value === "min" ? "min" : "max",
        low: this.low.valueAsNumber,
        high: this.high.valueAsNumber,
      });
      (document.activeElement as HTMLElement | null)?.blur();
    };
    this.blankButton.onclick = () => actions.blank();
    const open = el("a", "", { href: "/patient", target: "_blank", rel: "noopener" }, "Open patient screen");
    this.element = panel(
      "Patient screen",
      "feedback",
      el("div", "row", {}, this.blankButton, open, this.screens),
      form,
      this.score,
      this.why,
    );
    this.control({ type: "control", blank: false, patient_screens: 0, source_error: "" });
  }

  scene(scene: Scene): void {
    const chosen = this.coordinate.value;
    const angles = scene.coordinates.filter((name) => !/^pelvis_t[xyz]$/.test(name));
    this.coordinate.replaceChildren(...angles.map((name) => el("option", "", { value: name }, readable(name))));
    if (chosen) this.coordinate.value = chosen;
  }

  feedback(feedback: Feedback): void {
    const { target } = feedback;
    this.coordinate.value = target.coordinate;
    this.statistic.value = target.statistic;
    this.low.value = String(target.low);
    this.high.value = String(target.high);
    const last = feedback.strides[feedback.strides.length - 1];
    setText(
      this.score,
      `${feedback.in_band} of ${feedback.counted} strides in the band` +
        (last?.value != null ? ` · last ${last.value.toFixed(0)}°` : ""),
    );
    const reason = last && last.value === null ? `; last one: ${last.reason}` : "";
    setText(this.why, feedback.not_counted ? `${feedback.not_counted} not counted${reason}` : "");
  }

  control(control: Control): void {
    this.blank = control.blank;
    this.blankButton.classList.toggle("on", control.blank);
    this.blankButton.setAttribute("aria-pressed", String(control.blank));
    this.blankButton.replaceChildren(control.blank ? "Show patient screen " : "Blank patient screen ", el("kbd", "", {}, "b"));
    const n = control.patient_screens;
    setText(this.screens, n === 0 ? "none connected" : `${n} connected`);
  }
}
