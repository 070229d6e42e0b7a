import type { LiveFrame, Notice, Scene } from "./protocol";
import type { Figure } from "./view/figure";

export interface ScreenState {
  connected: boolean;
  signal: boolean;
}

/** What therapist's and patient's screen have in common. */
export interface Screen {
  readonly figure: Figure;
  scene(scene: Scene): void;
  /** All frames since the last call, the newest last. */
  frames(frames: LiveFrame[]): void;
  notice(notice: Notice): void;
  state(state: ScreenState): void;
  /** True if the key meant something here. */
  key(key: string): boolean;
  draw(now: number): void;
  debug(): Record<string, unknown>;
}
