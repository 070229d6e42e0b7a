/** Frames slower than this on average make the picture simpler. */
const SLOW_MS = 45;
const JUDGED_FRAMES = 10;
/** Longer pauses are a hidden tab or a busy moment, not the cost of drawing. */
const PAUSE_MS = 1500;

export interface Quality {
  shadows: boolean;
  pixelRatio: number;
  /** Least time between two pictures; software drawing must leave the processor to the engine. */
  periodMs: number;
}

// the last ones are for computers that draw in software: a coarse figure in time beats a fine one too late
const LEVELS: Quality[] = [
  { shadows: true, pixelRatio: 2, periodMs: 0 },
  { shadows: true, pixelRatio: 1, periodMs: 0 },
  { shadows: false, pixelRatio: 1, periodMs: 0 },
  { shadows: false, pixelRatio: 0.75, periodMs: 40 },
  { shadows: false, pixelRatio: 0.5, periodMs: 66 },
];

/** Chooses how finely to draw from how long drawing takes. Only ever simpler, so that it does not flicker. */
export class QualityControl {
  private level = 0;
  private previous = 0;
  private sum = 0;
  private count = 0;
  /** ``?quality=high`` keeps the best whatever it costs (pictures for print, slow computers). */
  private readonly fixed = new URLSearchParams(location.search).get("quality") === "high";

  get quality(): Quality {
    return LEVELS[this.level]!;
  }

  /** Call once per drawn frame; true if the quality has changed. */
  drawn(now: number): boolean {
    if (this.fixed) return false;
    const spent = now - this.previous;
    this.previous = now;
    if (spent > PAUSE_MS) return false;
    this.sum += spent;
    this.count += 1;
    if (this.count < JUDGED_FRAMES) return false;
    const slow = this.sum / this.count > Math.max(SLOW_MS, 1.3 * this.quality.periodMs);
    this.sum = this.count = 0;
    if (!slow || this.level === LEVELS.length - 1) return false;
    this.level += 1;
    return true;
  }

  /** Whether it is too early for the next picture. */
  early(now: number): boolean {
    // half a display frame of slack, or every other one would come a frame late
    return now - this.previous < this.quality.periodMs - 8;
  }

  /** Pauses between frames that nobody waited for do not count. */
  idle(): void {
    this.previous = -Infinity;
  }
}
