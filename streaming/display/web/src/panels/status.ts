import { el, setText } from "../dom";
import type { LiveFrame } from "../protocol";

type Level = "ok" | "wait" | "bad";
/** First word of the engine's status; any other means waiting. */
const LEVELS: Record<string, Level> = { tracking: "ok", lost: "bad" };

/** One banner: what the numbers on this screen are worth right now. */
export class StatusBanner {
  private readonly banner = el("div", "status bad", { role: "status", "aria-live": "polite" }, "No signal");
  private readonly detail = el("span", "status-detail");
  readonly element = el("div", "status-line", {}, this.banner, this.detail);
  private status = "";
  private signal = false;
  private connected = false;
  private sourceError = "";
  private ready = true;
  private slow = false;

  frame(frame: LiveFrame): void {
    this.status = frame.status;
    this.show();
  }

  set(state: { signal?: boolean; connected?: boolean; sourceError?: string; ready?: boolean; slow?: boolean }): void {
    this.signal = state.signal ?? this.signal;
    this.connected = state.connected ?? this.connected;
    this.sourceError = state.sourceError ?? this.sourceError;
    this.ready = state.ready ?? this.ready;
    this.slow = state.slow ?? this.slow;
    this.show();
  }

  private show(): void {
    const [text, level, detail] = this.verdict();
    setText(this.banner, text);
    setText(this.detail, detail);
    this.detail.title = detail;
    this.banner.className = `status ${level}`;
  }

  private verdict(): [text: string, level: Level, detail: string] {
    if (!this.connected) return ["No connection", "bad", "to the display server; trying again"];
    if (this.sourceError) return ["Stream broken", "bad", this.sourceError];
    if (!this.ready) return ["Warming up", "wait", "the engine compiles: seconds, up to a minute the first time"];
    if (!this.signal) return ["No signal", "bad", "no new frame from the engine for 200 ms"];
    if (this.slow) return ["Display slow", "wait", "this computer draws too slowly: the figure lags behind the person"];
    // "word: why; more" as the engine says it
    const word = /^[a-z]+/i.exec(this.status)?.[0] ?? "tracking";
    const initialising = this.status.includes("initialising");
    const text = initialising ? "Initialising" : word.charAt(0).toUpperCase() + word.slice(1);
    const detail = this.status.slice(word.length).replace(/^[:;\s]+/, "").replace(/^initialising:\s*/, "");
    return [text, initialising ? "wait" : (LEVELS[word.toLowerCase()] ?? "wait"), detail];
  }
}
