import { el, setText } from "../dom";
import type { LiveFrame } from "../protocol";

type Level = "ok" | "wait" | "bad";
const WORDS: Record<string, [string, Level]> = {
  tracking: ["Tracking", "ok"],
  initialising: ["Initialising", "wait"],
  lost: ["Person lost", "bad"],
};

/** One banner: what the numbers on this screen are worth right now. */
export class StatusBanner {
  readonly element = el("div", "status bad", { role: "status", "aria-live": "polite" }, "No signal");
  private status = "";
  private signal = false;
  private connected = false;
  private sourceError = "";

  frame(frame: LiveFrame): void {
    this.status = frame.status;
    this.show();
  }

  set(state: { signal?: boolean; connected?: boolean; sourceError?: string }): void {
    this.signal = state.signal ?? this.signal;
    this.connected = state.connected ?? this.connected;
    this.sourceError = state.sourceError ?? this.sourceError;
    this.show();
  }

  private show(): void {
    const [text, level] = this.verdict();
    setText(this.element, text);
    this.element.className = `status ${level}`;
  }

  private verdict(): [string, Level] {
    if (!this.connected) return ["No connection to the display server", "bad"];
    if (this.sourceError) return [`Engine stream broken: ${this.sourceError}`, "bad"];
    if (!this.signal) return ["No signal", "bad"];
    return WORDS[this.status.toLowerCase()] ?? [this.status || "Tracking", "wait"];
  }
}
