/** Drawing is made simpler while one picture costs more than this. */
const BUDGET_MS = 22;
const JUDGED_PICTURES = 4;
/** Whoever needs this long for one is not asked again. */
const HOPELESS_MS = 250;
/** Shaders compile and meshes are uploaded with the first pictures. */
const FIRST_PICTURES = 2;
/** At most this share of the time goes into drawing; in software it is the engine's processor that draws. */
const SHARE = { hardware: 0.6, software: 0.3 } as const;
/** The person is drawn at most 30 times a second, and at least 4 times whatever it costs. */
const PERIOD_MS = { least: 33, most: 250 } as const;

export interface Quality {
  shadows: boolean;
  pixelRatio: number;
}

const LEVELS: Quality[] = [
  { shadows: true, pixelRatio: 2 },
  { shadows: true, pixelRatio: 1 },
  { shadows: false, pixelRatio: 1 },
  { shadows: false, pixelRatio: 0.75 },
  { shadows: false, pixelRatio: 0.5 },
];
const FIRST_LEVEL = { hardware: 0, software: 3 } as const;

/** Whether WebGL is drawn by the processor (no graphics card, remote desktop, virtual machine). */
export function drawsInSoftware(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return true;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

/** Chooses how finely and how often to draw from what a picture costs. Only ever simpler, so that it does not flicker. */
export class QualityControl {
  private level: number;
  private costs: number[] = [];
  private seen = 0;
  private costMs = 0;
  private startedMs = -Infinity;
  private readonly kind: "hardware" | "software";
  /** ``?quality=high`` keeps the best whatever it costs (pictures for print). */
  readonly fixed = new URLSearchParams(location.search).get("quality") === "high";

  constructor(software: boolean) {
    this.kind = software && !this.fixed ? "software" : "hardware";
    this.level = FIRST_LEVEL[this.kind];
  }

  get quality(): Quality {
    return LEVELS[this.level]!;
  }

  get software(): boolean {
    return this.kind === "software";
  }

  get periodMs(): number {
    return Math.min(PERIOD_MS.most, Math.max(PERIOD_MS.least, this.costMs / SHARE[this.kind]));
  }

  get debug(): Record<string, unknown> {
    return { kind: this.kind, level: this.level, costMs: this.costMs, periodMs: this.periodMs };
  }

  /** Whether it is time for the next picture. */
  due(now: number): boolean {
    // half a display frame of slack, or every other one would come a frame late
    return now - this.startedMs >= this.periodMs - 8;
  }

  started(now: number): void {
    this.startedMs = now;
  }

  /** A picture was ready ``costMs`` after it was begun; true if the quality has changed. */
  spent(costMs: number): boolean {
    this.seen += 1;
    if (this.fixed || this.seen <= FIRST_PICTURES) return false;
    this.costs.push(costMs);
    if (this.costs.length < JUDGED_PICTURES && costMs < HOPELESS_MS) return false;
    this.costs.sort((a, b) => a - b);
    this.costMs = this.costs[this.costs.length >> 1]!;
    this.costs = [];
    if (this.costMs <= BUDGET_MS || this.level === LEVELS.length - 1) return false;
    const steps = this.costMs > HOPELESS_MS ? LEVELS.length : this.costMs > 3 * BUDGET_MS ? 2 : 1;
    this.level = Math.min(LEVELS.length - 1, this.level + steps);
    this.seen = 0;
    return true;
  }
}
