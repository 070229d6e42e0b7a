import { el, panel, setText } from "../dom";
import type { Health, LiveFrame } from "../protocol";

/** In the order in which a picture passes them. */
const STAGES = ["queue", "decode", "align", "fit", "kinetics", "muscles", "events", "frame", "record", "publish"];
/** The figure lags visibly behind the person. */
const SLOW_MS = 350;
const SMOOTH = 0.1;

/** How old what one sees is, latency of the engine's stages (p50 and p99, ms), what it dropped, what is safe on disk. */
export class EnginePanel {
  private readonly age = el("p", "age");
  readonly element: HTMLElement;
  private readonly stages = el("tbody");
  private readonly counts = el("p", "note");
  private readonly findings = el("ul", "findings");
  private recorded = "";
  private rate = "";
  private health: Health | null = null;
  private ageMs = NaN;
  private periodMs = NaN;
  private drawnMs = NaN;

  constructor() {
    const titles = ["Stage", "p50 ms", "p99 ms", ""];
    const head = el("thead", "", {}, el("tr", "", {}, ...titles.map((title) => el("th", "", { scope: "col" }, title))));
    this.element = panel("Latency", "engine", this.age, el("div", "scroll", {}, el("table", "", {}, head, this.stages)), this.counts, this.findings);
  }

  /** This frame has just been drawn. */
  drawn(frame: LiveFrame): void {
    const now = performance.now();
    if (frame.ageMs !== null) this.ageMs = smooth(this.ageMs, frame.ageMs + now - frame.arrivedMs);
    this.periodMs = smooth(this.periodMs, Math.min(2000, now - this.drawnMs));
    this.drawnMs = now;
  }

  /** Pictures come so late or so rarely that they mislead. */
  get slow(): boolean {
    return this.ageMs > SLOW_MS || this.periodMs > SLOW_MS;
  }

  frame(frame: LiveFrame): void {
    setText(this.age, Number.isFinite(this.ageMs) ? `Camera to screen ${this.ageMs.toFixed(0)} ms` : "");
    this.rate = Number.isFinite(this.periodMs) ? `${(1000 / this.periodMs).toFixed(0)} pictures/s · ` : "";
    const behind = Number(frame.tNs - frame.recordedThroughNs) / 1e9;
    this.recorded = frame.recordedThroughNs > 0n ? `on disk up to ${Math.max(0, behind).toFixed(1)} s ago` : "not recording";
    this.count();
  }

  show(health: Health): void {
    this.health = health;
    const place = ([name]: [string, unknown]): number => (STAGES.includes(name) ? STAGES.indexOf(name) : STAGES.length);
    const stages = Object.entries(health.stages_ms).sort((a, b) => place(a) - place(b));
    const longest = Math.max(1, ...stages.map(([, [, p99]]) => p99 ?? 0));
    this.stages.replaceChildren(
      ...stages.map(([name, [p50, p99]]) => {
        const bar = el("meter", "", { min: "0", max: String(longest), value: String(p99 ?? 0), "aria-hidden": "true" });
        const cells = [name, p50?.toFixed(1) ?? "–", p99?.toFixed(1) ?? "–"].map((text, k) => el("td", k ? "number" : "name", {}, text));
        return el("tr", "", {}, ...cells, el("td", "bar", {}, bar));
      }),
    );
    this.findings.replaceChildren(...health.findings.map((finding) => el("li", "", {}, finding)));
    this.count();
  }

  private count(): void {
    const { health } = this;
    const engine = health ? `${health.ready ? "ready" : "warming up"} · ${health.dropped} dropped · ${health.late} late · ` : "";
    setText(this.counts, this.rate + engine + this.recorded);
  }
}

function smooth(old: number, value: number): number {
  return Number.isFinite(old) ? old + SMOOTH * (value - old) : value;
}
