import type { GaitEvent, Kinematics, Kinetics, LiveFrame, Side } from "../protocol";

/** Seconds of the past that the traces show. */
export const SHOWN_S = 8;
const KEPT_S = SHOWN_S + 2;

export interface Timed<T> {
  t: number;
  sample: T;
}
export interface Tick {
  t: number;
  side: Side;
  event: string;
}

/** The last seconds of both streams, each sample at the instant it describes, in seconds from the first frame. */
export class History {
  readonly kinematics: Timed<Kinematics>[] = [];
  readonly kinetics: Timed<Kinetics>[] = [];
  readonly ticks: Tick[] = [];
  now = 0;
  private epochNs: bigint | null = null;

  frame(frame: LiveFrame): void {
    // a recording that starts again, or another one: the old curves are not its past
    if (this.epochNs === null || this.seconds(frame.tNs) < this.now - 0.5) this.restart(frame.tNs);
    this.now = Math.max(this.now, this.seconds(frame.tNs));
    append(this.kinematics, frame.kinematics, (tNs) => this.seconds(tNs));
    append(this.kinetics, frame.kinetics, (tNs) => this.seconds(tNs));
    for (const stream of [this.kinematics, this.kinetics, this.ticks]) {
      while (stream.length > 0 && stream[0]!.t < this.now - KEPT_S) stream.shift();
    }
  }

  event(event: GaitEvent): void {
    if (this.epochNs !== null) this.ticks.push({ t: this.seconds(BigInt(event.t_ns)), side: event.side, event: event.event });
  }

  private restart(epochNs: bigint): void {
    this.epochNs = epochNs;
    this.now = 0;
    this.kinematics.length = this.kinetics.length = this.ticks.length = 0;
  }

  private seconds(tNs: bigint): number {
    return Number(tNs - (this.epochNs ?? tNs)) / 1e9;
  }
}

function append<T extends { tNs: bigint }>(stream: Timed<T>[], sample: T | null, seconds: (tNs: bigint) => number): void {
  if (!sample) return;
  const t = seconds(sample.tNs);
  if (stream.length === 0 || t > stream[stream.length - 1]!.t) stream.push({ t, sample });
}
