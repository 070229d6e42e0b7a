import { el, panel, setText } from "../dom";
import type { CameraHealth, LiveFrame } from "../protocol";

type Verdict = "ok" | "degraded" | "lost";
/** A camera that had nothing for this long is lost; one missed picture is not. */
const LOST_MS = 400;
const LOW_INLIERS = 0.5;
/** Shown errors are averaged over about this time: single pictures flicker. */
const SMOOTH_MS = 500;
// shape tells what colour tells
const SIGN: Record<Verdict, string> = { ok: "●", degraded: "▲", lost: "✕" };

interface Line {
  row: HTMLElement;
  cells: HTMLElement[];
  seenMs: number;
  medianPx: number;
  inlierShare: number;
}

/** One line per camera: ok, degraded or lost, median reprojection error, what it missed and what was dropped. */
export class CameraPanel {
  readonly element: HTMLElement;
  private readonly lines = new Map<string, Line>();
  private readonly body = el("tbody");
  verdicts: Record<string, Verdict> = {};

  constructor() {
    const titles = ["", "Camera", "Median px", "Inliers", "Missed", "Drops"];
    const head = el("thead", "", {}, el("tr", "", {}, ...titles.map((title) => el("th", "", { scope: "col" }, title))));
    this.element = panel("Cameras", "cameras", el("div", "scroll", {}, el("table", "", {}, head, this.body)));
  }

  /** Every frame: free-running cameras are not in every one. */
  hear(frame: LiveFrame): void {
    for (const camera of frame.cameras) {
      const line = this.lines.get(camera.name);
      if (line && camera.present) smooth(line, camera, frame.arrivedMs);
    }
  }

  show(frame: LiveFrame): void {
    const named = new Set(frame.cameras.map((camera) => camera.name));
    for (const [name, line] of this.lines) {
      if (named.has(name)) continue;
      line.row.remove();
      this.lines.delete(name);
      delete this.verdicts[name];
    }
    for (const camera of frame.cameras) this.line(camera, frame.arrivedMs);
  }

  private line(camera: CameraHealth, now: number): void {
    const line = this.lines.get(camera.name) ?? this.add(camera.name);
    const verdict = judge(camera.flag, line, now);
    this.verdicts[camera.name] = verdict;
    line.row.className = `camera ${verdict}`;
    line.row.title = camera.flag;
    const texts = [
      SIGN[verdict],
      camera.flag ? `${camera.name} · ${camera.flag}` : camera.name,
      verdict !== "lost" && Number.isFinite(line.medianPx) ? line.medianPx.toFixed(1) : "–",
      verdict !== "lost" && Number.isFinite(line.inlierShare) ? `${(100 * line.inlierShare).toFixed(0)} %` : "–",
      camera.missed.toFixed(0),
      camera.dropped.toFixed(0),
    ];
    texts.forEach((text, k) => setText(line.cells[k]!, text));
    line.cells[0]!.setAttribute("aria-label", verdict);
  }

  private add(name: string): Line {
    const cells = Array.from({ length: 6 }, (_, k) => el("td", k === 0 ? "sign" : k === 1 ? "name" : "number"));
    const row = el("tr", "camera", {}, ...cells);
    const line = { row, cells, seenMs: performance.now(), medianPx: NaN, inlierShare: NaN };
    this.lines.set(name, line);
    this.body.append(line.row);
    return line;
  }
}

function smooth(line: Line, camera: CameraHealth, now: number): void {
  const share = 1 - Math.exp(-(now - line.seenMs) / SMOOTH_MS);
  const towards = (old: number, value: number): number => {
    if (!Number.isFinite(value)) return old;
    return Number.isFinite(old) ? old + share * (value - old) : value;
  };
  line.medianPx = towards(line.medianPx, camera.medianPx);
  line.inlierShare = towards(line.inlierShare, camera.inlierShare);
  line.seenMs = now;
}

function judge(flag: string, line: Line, now: number): Verdict {
  if (now - line.seenMs > LOST_MS) return "lost";
  return flag || line.inlierShare < LOW_INLIERS ? "degraded" : "ok";
}
