import type { Side } from "./protocol";

// Left blue, right red-orange, as gait laboratories draw them: Okabe & Ito's colour-blind-safe pair, lightened for a
// dark ground; sides also differ by line style and letter.
export const SIDE_COLOUR: Record<Side, string> = { right: "#ff7f45", left: "#56b4e9" };
export const CENTRE_COLOUR = "#c9d4df";
export const INVALID_COLOUR = "#66717e";
export const GRID_COLOUR = "#202a35";
export const TEXT_COLOUR = "#9aa8b7";

// rises in lightness all the way, so it reads in grey too, and stays clear of the colours of the sides
const REST: readonly [number, number, number] = [0.5, 0.4, 0.78];
const HALF: readonly [number, number, number] = [0.93, 0.36, 0.58];
const FULL: readonly [number, number, number] = [1.0, 0.95, 0.42];

/** Activation 0..1 as dark violet -> pink -> yellow, written to ``out`` (sRGB) at ``offset``. */
export function activationColour(activation: number, out: Float32Array, offset: number): void {
  const a = Math.min(1, Math.max(0, activation));
  const [from, to, share] = a < 0.5 ? [REST, HALF, 2 * a] : [HALF, FULL, 2 * a - 1];
  for (let k = 0; k < 3; k++) out[offset + k] = from[k]! + share * (to[k]! - from[k]!);
}
