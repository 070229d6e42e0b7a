import { el } from "../dom";
import type { Target } from "../protocol";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 270;
const HEIGHT = 1000;
const BAR = { x: 130, width: 110, top: 40, bottom: 960 };
const SHOWN = 6;
/** Degrees shown below and above the band, in widths of the band. */
const MARGIN = 1.2;

function shape(tag: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** An upright scale with the target band; the last stride as a broad mark, earlier ones fading. */
export class Gauge {
  readonly element = el("div", "gauge");
  private readonly svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "last strides against the target" });

  constructor() {
    this.element.append(this.svg);
  }

  show(target: Target, values: number[]): void {
    const reach = MARGIN * (target.high - target.low);
    const [low, high] = [target.low - reach, target.high + reach];
    const y = (value: number): number => {
      const share = (Math.min(high, Math.max(low, value)) - low) / (high - low);
      return BAR.bottom - share * (BAR.bottom - BAR.top);
    };
    const marks: SVGElement[] = [
      shape("rect", { class: "scale", x: BAR.x, y: BAR.top, width: BAR.width, height: BAR.bottom - BAR.top, rx: 30 }),
      shape("rect", { class: "band", x: BAR.x - 6, y: y(target.high), width: BAR.width + 12, height: y(target.low) - y(target.high), rx: 14 }),
    ];
    for (const edge of [target.low, target.high]) {
      const label = shape("text", { class: "edge", x: BAR.x - 14, y: y(edge) + 14, "text-anchor": "end" });
      label.textContent = `${edge.toFixed(0)}°`;
      marks.push(label);
    }
    const shown = values.slice(-SHOWN);
    shown.forEach((value, k) => {
      const age = shown.length - 1 - k;
      const inBand = value >= target.low && value <= target.high;
      marks.push(
        shape("rect", {
          class: `mark ${age === 0 ? (inBand ? "last in" : "last out") : "earlier"}`,
          x: BAR.x - (age === 0 ? 22 : 0),
          y: y(value) - (age === 0 ? 13 : 5),
          width: BAR.width + (age === 0 ? 44 : 0),
          height: age === 0 ? 26 : 10,
          rx: age === 0 ? 13 : 5,
          opacity: age === 0 ? 1 : 0.5 * 0.75 ** age,
        }),
      );
    });
    this.svg.replaceChildren(...marks);
  }
}
