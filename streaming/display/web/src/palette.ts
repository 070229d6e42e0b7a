import type { Side } from "./protocol";

// Okabe & Ito's colour-blind-safe colours, lightened for a dark ground; sides also differ by line style.
export const SIDE_COLOUR: Record<Side, string> = { right: "#56b4e9", left: "#f0a630" };
export const CENTRE_COLOUR = "#c9d4df";
export const INVALID_COLOUR = "#66717e";
export const GRID_COLOUR = "#202a35";
export const TEXT_COLOUR = "#9aa8b7";

const REST: readonly [number, number, number] = [0.27, 0.5, 0.95];
const HALF: readonly [number, number, number] = [0.72, 0.34, 0.78];
const FULL: readonly [number, number, number] = [1.0, 0.22, 0.12];

/** Activation 0..1 as blue -> violet -> red, written to ``out`` (sRGB) at ``offset``. */
export function activationColour(activation: number, out: Float32Array, offset: number): void {
  const a = Math.min(1, Math.max(0, activation));
  const [from, to, share] = a < 0.5 ? [REST, HALF, 2 * a] : [HALF, FULL, 2 * a - 1];
  for (let k = 0; k < 3; k++) out[offset + k] = from[k]! + share * (to[k]! - from[k]!);
}
