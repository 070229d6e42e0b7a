import type { LiveFrame } from "./protocol";

/** After this long without a new LiveFrame nothing on the screens may pass for the present. */
export const NO_SIGNAL_MS = 200;

/** A timer this late was held up by the page's own work. */
const LATE_MS = 30;
/** Then what arrived meanwhile is heard first, and the server's answer to an acknowledgement that came late. */
const GRACE_MS = 200;

/**
 * Says when the stream of LiveFrames stops and when it is back. A repeated frame is not a new one, and a page that
 * was busy for 200 ms has not lost its signal.
 */
export class SignalWatch {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lastSeq = -1;
  present = false;

  constructor(private readonly changed: (present: boolean) => void) {}

  frame(frame: LiveFrame): void {
    if (frame.seq === this.lastSeq || frame.flush) return;
    this.lastSeq = frame.seq;
    this.wait(NO_SIGNAL_MS, true);
    this.set(true);
  }

  lost(): void {
    clearTimeout(this.timer);
    this.set(false);
  }

  private wait(ms: number, grace: boolean): void {
    clearTimeout(this.timer);
    const due = performance.now() + ms;
    this.timer = setTimeout(() => {
      if (grace && performance.now() - due > LATE_MS) this.wait(GRACE_MS, false);
      else this.set(false);
    }, ms);
  }

  private set(present: boolean): void {
    if (present === this.present) return;
    this.present = present;
    this.changed(present);
  }
}
