import type { LiveFrame } from "./protocol";

/** After this long without a new LiveFrame nothing on the screens may pass for the present. */
export const NO_SIGNAL_MS = 200;

/** Says when the stream of LiveFrames stops and when it is back. A repeated frame is not a new one. */
export class SignalWatch {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lastSeq = -1;
  present = false;

  constructor(private readonly changed: (present: boolean) => void) {}

  frame(frame: LiveFrame): void {
    if (frame.seq === this.lastSeq || frame.flush) return;
    this.lastSeq = frame.seq;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.set(false), NO_SIGNAL_MS);
    this.set(true);
  }

  lost(): void {
    clearTimeout(this.timer);
    this.set(false);
  }

  private set(present: boolean): void {
    if (present === this.present) return;
    this.present = present;
    this.changed(present);
  }
}
