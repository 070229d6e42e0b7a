import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { el, setText } from "../dom";
import { GRID_COLOUR, INVALID_COLOUR, SIDE_COLOUR, TEXT_COLOUR } from "../palette";
import type { Channel, Curve } from "./channels";
import { SHOWN_S, type History, type Timed } from "./history";

/** A line is interrupted where samples are farther apart than this. */
const GAP_S = 0.2;
const SERIES_PER_CURVE = 4; // upper and lower edge of the band, valid line, invalid line
/** Numbers that change faster cannot be read. */
const LABEL_PERIOD_MS = 250;

/** One plot over time: values with their standard-deviation band, grey where invalid, ticks at gait events. */
export class Trace {
  readonly element: HTMLElement;
  private readonly select: HTMLSelectElement;
  private readonly values = el("span", "trace-values");
  private readonly why = el("span", "trace-why");
  private readonly host = el("div", "plot");
  private plot: uPlot | null = null;
  private labelledMs = 0;
  private channel: Channel;

  constructor(
    private readonly channels: Channel[],
    first: string,
    private readonly history: History,
  ) {
    this.channel = channels.find((channel) => channel.id === first) ?? channels[0]!;
    this.select = this.menu();
    this.element = el(
      "section",
      "panel trace",
      { "aria-label": "trace" },
      el("div", "trace-head", {}, this.select, this.values, this.why),
      this.host,
    );
    new ResizeObserver(() => this.resize()).observe(this.host);
  }

  get shown(): string {
    return this.channel.id;
  }

  /** False while the words beside the curves are older than the curves: words come less often, the last ones too. */
  update(): boolean {
    if (!this.plot) this.resize();
    if (!this.plot) return true;
    const { channel, history } = this;
    const data =
      channel.stream === "kinematics"
        ? tabulate(history.kinematics, channel.curves, channel.maxSd)
        : tabulate(history.kinetics, channel.curves, channel.maxSd);
    this.plot.setData(data, false);
    this.plot.batch(() => {
      this.plot!.setScale("x", { min: history.now - SHOWN_S, max: history.now });
      this.plot!.setScale("y", span(data, channel.minSpan));
    });
    const now = performance.now();
    if (now - this.labelledMs < LABEL_PERIOD_MS) return false;
    this.labelledMs = now;
    this.label();
    return true;
  }

  private label(): void {
    const { channel, history } = this;
    const samples: Timed<{ valid: boolean; reason?: string }>[] = history[channel.stream];
    const last = samples[samples.length - 1]?.sample;
    const curves = channel.curves as Curve<unknown>[];
    const sure = curves.map((curve) => last !== undefined && last.valid && !(curve.sd(last) > channel.maxSd));
    this.element.classList.toggle("invalid", last !== undefined && !last.valid);
    setText(this.why, last === undefined ? "" : this.caution(last, curves, sure));
    const digits = channel.minSpan < 5 ? 2 : 0;
    const texts = curves.map((curve, k) => {
      const value = sure[k] ? curve.value(last) : NaN;
      // adding 0 turns -0 into 0
      const shown = Number.isFinite(value) ? (Number(value.toFixed(digits)) + 0).toFixed(digits) : "–";
      return `${curve.label.charAt(0).toUpperCase()} ${shown}`;
    });
    if (this.values.childElementCount !== texts.length) {
      this.values.replaceChildren(...curves.map((curve) => el("b", `side-${curve.label || "centre"}`)));
    }
    texts.forEach((text, k) => setText(this.values.children[k] as HTMLElement, text));
  }

  private caution(last: { valid: boolean; reason?: string }, curves: Curve<unknown>[], sure: boolean[]): string {
    if (!last.valid) return `not valid${last.reason ? `: ${last.reason}` : ""}`;
    const named = (found: Curve<unknown>[]): string => found.map((curve) => curve.label).join(" and ");
    const unsure = curves.filter((_, k) => !sure[k]);
    if (unsure.length > 0) return `${named(unsure)} too uncertain`.trim();
    const held = curves.filter((curve) => curve.atLimit?.(last));
    return held.length > 0 ? `${named(held)} at the joint's limit`.trim() : "";
  }

  private menu(): HTMLSelectElement {
    const select = el("select", "", { "aria-label": "quantity shown" });
    for (const group of new Set(this.channels.map((channel) => channel.group))) {
      const options = this.channels.filter((channel) => channel.group === group);
      select.append(
        el("optgroup", "", { label: group }, ...options.map(({ id, label, unit }) => el("option", "", { value: id }, `${label} (${unit})`))),
      );
    }
    select.value = this.channel.id;
    select.onchange = () => {
      this.channel = this.channels.find((channel) => channel.id === select.value) ?? this.channel;
      this.values.replaceChildren();
      this.rebuild();
    };
    return select;
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width < 40 || height < 30) return;
    // anew where the screen has changed: its letters may have, too
    if (this.plot?.width === width && this.plot.height === height) return;
    this.rebuild();
  }

  private rebuild(): void {
    this.plot?.destroy();
    // as large as the page's text, which grows with the screen
    const em = parseFloat(getComputedStyle(document.documentElement).fontSize) / 14;
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const curve of this.channel.curves) {
      const first = series.length;
      const edge = { stroke: "transparent", width: 0, points: { show: false } };
      series.push(edge, { ...edge });
      series.push({ stroke: curve.colour, width: 2 * em, dash: curve.dash, points: { show: false } });
      series.push({ stroke: INVALID_COLOUR, width: 1.5 * em, dash: curve.dash, points: { show: false } });
      bands.push({ series: [first, first + 1], fill: `${curve.colour}55` });
    }
    const axis = { stroke: TEXT_COLOUR, font: `${Math.round(12 * em)}px system-ui, sans-serif`, grid: { stroke: GRID_COLOUR, width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width: this.host.clientWidth,
        height: this.host.clientHeight,
        padding: [8, 10, 0, 0],
        cursor: { show: false },
        legend: { show: false },
        scales: { x: { time: false }, y: { auto: false } },
        axes: [
          { ...axis, size: 22 * em, values: (_, splits) => splits.map((split) => (split < 0 ? "" : `${split} s`)) },
          { ...axis, size: 46 * em, space: 28 * em },
        ],
        series,
        bands,
        hooks: { draw: [(plot) => this.drawTicks(plot)] },
      },
      series.map(() => []) as unknown as uPlot.AlignedData,
      this.host,
    );
  }

  private drawTicks(plot: uPlot): void {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    const size = 6 * devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top - 2 * size, width, height + 2 * size);
    ctx.clip();
    for (const tick of this.history.ticks) {
      const x = plot.valToPos(tick.t, "x", true);
      if (x < left || x > left + width) continue;
      const strike = tick.event === "foot_strike";
      ctx.strokeStyle = ctx.fillStyle = SIDE_COLOUR[tick.side];
      ctx.globalAlpha = 0.55;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(strike ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      // foot strike points down to the ground, foot off up and away from it
      ctx.globalAlpha = 1;
      ctx.setLineDash([]);
      ctx.beginPath();
      const [tip, base] = strike ? [top + size, top - 0.4 * size] : [top - 0.4 * size, top + size];
      ctx.moveTo(x, tip);
      ctx.lineTo(x - 0.8 * size, base);
      ctx.lineTo(x + 0.8 * size, base);
      ctx.closePath();
      if (strike) ctx.fill();
      else ctx.stroke();
    }
    ctx.restore();
  }
}

function tabulate<T extends { valid: boolean }>(
  samples: Timed<T>[],
  curves: Curve<T>[],
  maxSd: number,
): uPlot.AlignedData {
  const times: number[] = [];
  const columns: (number | null)[][] = Array.from({ length: SERIES_PER_CURVE * curves.length }, () => []);
  const wasValid: boolean[] = [];
  let previous: Timed<T> | null = null;
  for (const timed of samples) {
    if (previous && timed.t - previous.t > GAP_S) {
      times.push(0.5 * (previous.t + timed.t));
      for (const column of columns) column.push(null);
    }
    times.push(timed.t);
    curves.forEach((curve, k) => {
      const value = curve.value(timed.sample);
      const sd = curve.sd(timed.sample);
      const shown = Number.isFinite(value) ? value : null;
      const valid = timed.sample.valid && !(sd > maxSd);
      const band = shown !== null && valid && Number.isFinite(sd);
      // the line changes colour at the sample where validity changes, and is not torn there
      const turned = previous !== null && wasValid[k] !== valid;
      wasValid[k] = valid;
      const at = SERIES_PER_CURVE * k;
      columns[at]!.push(band ? value + sd : null);
      columns[at + 1]!.push(band ? value - sd : null);
      columns[at + 2]!.push(valid || turned ? shown : null);
      columns[at + 3]!.push(!valid || turned ? shown : null);
    });
    previous = timed;
  }
  return [times, ...columns];
}

/** Range of all lines and bands, at least ``minSpan`` wide, on round numbers so that it does not jitter. */
function span(data: uPlot.AlignedData, minSpan: number): { min: number; max: number } {
  let min = Infinity;
  let max = -Infinity;
  for (let k = 1; k < data.length; k++) {
    for (const value of data[k] as (number | null)[]) {
      if (value === null) continue;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
  }
  if (min > max) return { min: 0, max: minSpan };
  const missing = Math.max(0, minSpan - (max - min));
  const step = minSpan / 4;
  return { min: Math.floor((min - missing / 2) / step) * step, max: Math.ceil((max + missing / 2) / step) * step };
}
