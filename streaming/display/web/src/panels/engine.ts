import { el, panel, setText } from "../dom";
import type { Health, LiveFrame } from "../protocol";

/** Latency of the engine's stages (p50 and p99, ms), what it dropped, what is safe on disk. */
export class EnginePanel {
  readonly element: HTMLElement;
  private readonly stages = el("tbody");
  private readonly counts = el("p", "note");
  private readonly findings = el("ul", "findings");
  private recorded = "";
  private health: Health | null = null;

  constructor() {
    const titles = ["Stage", "p50 ms", "p99 ms", ""];
    const head = el("thead", "", {}, el("tr", "", {}, ...titles.map((title) => el("th", "", { scope: "col" }, title))));
    this.element = panel("Latency", "engine", el("div", "scroll", {}, el("table", "", {}, head, this.stages)), this.counts, this.findings);
  }

  frame(frame: LiveFrame): void {
    const behind = Number(frame.tNs - frame.recordedThroughNs) / 1e9;
    this.recorded = frame.recordedThroughNs > 0n ? `on disk up to ${Math.max(0, behind).toFixed(1)} s ago` : "not recording";
    this.count();
  }

  show(health: Health): void {
    this.health = health;
    const longest = Math.max(1, ...Object.values(health.stages_ms).map(([, p99]) => p99 ?? 0));
    this.stages.replaceChildren(
      ...Object.entries(health.stages_ms).map(([name, [p50, p99]]) => {
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
    setText(this.counts, engine + this.recorded);
  }
}
