import { el, panel, setText } from "../dom";
import type { Side, Stride } from "../protocol";

interface Row {
  key: string;
  label: string;
  unit: string;
  digits: number;
}
const ROWS: Row[] = [
  { key: "stride_length_m", label: "Stride length", unit: "m", digits: 2 },
  { key: "step_length_m", label: "Step length", unit: "m", digits: 2 },
  { key: "step_width_m", label: "Step width", unit: "m", digits: 2 },
  { key: "speed_m_s", label: "Speed", unit: "m/s", digits: 2 },
  { key: "cadence_steps_min", label: "Cadence", unit: "steps/min", digits: 0 },
  { key: "stance_pct", label: "Stance", unit: "%", digits: 0 },
];
const KEPT = 8;
const SIDES = ["right", "left"] as const;
const SPARK = { width: 64, height: 22 };
const SVG = "http://www.w3.org/2000/svg";

/** The newest stride of each foot with its standard deviation, and the last few as dots. */
export class GaitPanel {
  readonly element: HTMLElement;
  private readonly strides: Record<Side, Stride[]> = { right: [], left: [] };
  private readonly cells = new Map<string, { value: HTMLElement; spark: SVGSVGElement }>();
  private readonly note = el("p", "note");

  constructor() {
    const body = el("tbody");
    for (const row of ROWS) {
      const line = el("tr", "", {}, el("th", "", { scope: "row" }, row.label, el("small", "", {}, ` ${row.unit}`)));
      for (const side of SIDES) {
        const value = el("td", `number side-${side}`, {}, "–");
        const spark = document.createElementNS(SVG, "svg");
        spark.setAttribute("viewBox", `0 0 ${SPARK.width} ${SPARK.height}`);
        spark.setAttribute("class", `spark side-${side}`);
        spark.setAttribute("aria-hidden", "true");
        const drawn = el("td", "spark-cell");
        drawn.append(spark);
        line.append(value, drawn);
        this.cells.set(`${row.key} ${side}`, { value, spark });
      }
      body.append(line);
    }
    const head = el(
      "thead",
      "",
      {},
      el(
        "tr",
        "",
        {},
        el("th", "", {}, "last stride ± sd"),
        el("th", "side-right", { colspan: "2", scope: "colgroup" }, "Right"),
        el("th", "side-left", { colspan: "2", scope: "colgroup" }, "Left"),
      ),
    );
    this.element = panel("Gait", "gait", el("table", "", {}, head, body), this.note);
  }

  stride(stride: Stride): void {
    const strides = this.strides[stride.side];
    strides.push(stride);
    if (strides.length > KEPT) strides.shift();
    for (const row of ROWS) this.show(row, stride.side);
  }

  /** Why there is no event now, in the engine's words. */
  reason(text: string): void {
    setText(this.note, text ? `No event: ${text}` : "");
  }

  private show(row: Row, side: Side): void {
    const cell = this.cells.get(`${row.key} ${side}`)!;
    const strides = this.strides[side];
    const last = strides[strides.length - 1];
    const value = last?.values[row.key];
    const sd = last?.sd[row.key];
    setText(cell.value, value == null ? "–" : `${value.toFixed(row.digits)}${sd == null ? "" : ` ± ${sd.toFixed(row.digits)}`}`);
    drawSpark(
      cell.spark,
      strides.map((stride) => ({ value: stride.values[row.key] ?? null, sd: stride.sd[row.key] ?? 0 })),
    );
  }
}

function drawSpark(svg: SVGSVGElement, points: { value: number | null; sd: number }[]): void {
  const known = points.filter((point): point is { value: number; sd: number } => point.value !== null);
  if (known.length === 0) return;
  const low = Math.min(...known.map(({ value, sd }) => value - sd));
  const high = Math.max(...known.map(({ value, sd }) => value + sd));
  const y = (value: number): number => SPARK.height - 3 - ((value - low) / Math.max(1e-9, high - low)) * (SPARK.height - 6);
  const marks: SVGElement[] = [];
  known.forEach(({ value, sd }, k) => {
    const x = 5 + (k * (SPARK.width - 10)) / (KEPT - 1);
    const bar = document.createElementNS(SVG, "line");
    for (const [name, at] of Object.entries({ x1: x, x2: x, y1: y(value - sd), y2: y(value + sd) })) {
      bar.setAttribute(name, String(at));
    }
    const dot = document.createElementNS(SVG, "circle");
    for (const [name, at] of Object.entries({ cx: x, cy: y(value), r: 2.2 })) dot.setAttribute(name, String(at));
    marks.push(bar, dot);
  });
  svg.replaceChildren(...marks);
}
