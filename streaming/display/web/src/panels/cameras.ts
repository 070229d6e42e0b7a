import { el, panel, setText } from "../dom";
import type { CameraHealth, LiveFrame } from "../protocol";

type Verdict = "ok" | "degraded" | "lost";
/** A camera that had nothing for this long is lost; one missed picture is not. */
const LOST_MS = 400;
const LOW_INLIERS = 0.5;
// shape tells what colour tells
const SIGN: Record<Verdict, string> = { ok: "●", degraded: "▲", lost: "✕" };

interface Line {
  row: HTMLElement;
  cells: HTMLElement[];
  seenMs: number;
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

  frame(frame: LiveFrame): void {
    const now = performance.now();
    const named = new Set(frame.cameras.map((camera) => camera.name));
    for (const [name, line] of this.lines) {
      if (named.has(name)) continue;
      line.row.remove();
      this.lines.delete(name);
      delete this.verdicts[name];
    }
    for (const camera of frame.cameras) this.show(camera, now);
  }

  private show(camera: CameraHealth, now: number): void {
    const line = this.lines.get(camera.name) ?? this.add(camera.name);
    if (camera.present) line.seenMs = now;
    const verdict = judge(camera, now - line.seenMs);
    this.verdicts[camera.name] = verdict;
    line.row.className = `camera ${verdict}`;
    line.row.title = camera.flag;
    const texts = [
      SIGN[verdict],
      camera.flag ? `${camera.name} · ${camera.flag}` : camera.name,
      Number.isFinite(camera.medianPx) ? camera.medianPx.toFixed(1) : "–",
      Number.isFinite(camera.inlierShare) ? `${(100 * camera.inlierShare).toFixed(0)} %` : "–",
      camera.missed.toFixed(0),
      camera.dropped.toFixed(0),
    ];
    texts.forEach((text, k) => setText(line.cells[k]!, text));
    line.cells[0]!.setAttribute("aria-label", verdict);
  }

  private add(name: string): Line {
    const cells = Array.from({ length: 6 }, (_, k) => el("td", k === 0 ? "sign" : k === 1 ? "name" : "number"));
    const line = { row: el("tr", "camera", {}, ...cells), cells, seenMs: -Infinity };
    this.lines.set(name, line);
    this.body.append(line.row);
    return line;
  }
}

function judge(camera: CameraHealth, absentMs: number): Verdict {
  if (absentMs > LOST_MS) return "lost";
  return camera.flag || camera.inlierShare < LOW_INLIERS ? "degraded" : "ok";
}
