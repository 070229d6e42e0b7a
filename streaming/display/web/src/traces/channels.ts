import { CENTRE_COLOUR, SIDE_COLOUR } from "../palette";
import type { Kinematics, Kinetics, Scene, Side } from "../protocol";

export interface Curve<T> {
  label: string;
  colour: string;
  dash: number[];
  value(sample: T): number;
  sd(sample: T): number;
  /** The body's joint limit holds this value. */
  atLimit?(sample: T): boolean;
}

/** An angle counts as valid while its standard deviation stays below this. */
const MAX_ANGLE_SD_DEG = 5;

interface Common {
  id: string;
  label: string;
  group: string;
  unit: string;
  minSpan: number;
  maxSd: number;
}
export type Channel =
  | (Common & { stream: "kinematics"; curves: Curve<Kinematics>[] })
  | (Common & { stream: "kinetics"; curves: Curve<Kinetics>[] });

export const DEFAULT_CHANNELS = ["angle:knee_angle", "force:vertical", "moment:ankle_angle"] as const;

const DASH: Record<Side, number[]> = { right: [], left: [7, 3] };
const SUFFIX: Record<Side, string> = { right: "_r", left: "_l" };
const SIDES = ["right", "left"] as const;
/** World axes: forces are shown along up, and horizontally in the world. */
const FORCE_AXES = { vertical: 2, "world x": 0, "world y": 1 } as const;

interface Named {
  base: string;
  parts: { side: Side | null; index: number }[];
}

/** Pairs ``name_r``, ``name_l`` become one channel with two curves. */
function paired(names: string[]): Named[] {
  const found = new Map<string, Named>();
  names.forEach((name, index) => {
    const side = SIDES.find((s) => name.endsWith(SUFFIX[s])) ?? null;
    const base = side ? name.slice(0, -2) : name;
    const entry = found.get(base) ?? { base, parts: [] };
    entry.parts.push({ side, index });
    found.set(base, entry);
  });
  return [...found.values()];
}

function look(side: Side | null): { label: string; colour: string; dash: number[] } {
  return side
    ? { label: side, colour: SIDE_COLOUR[side], dash: DASH[side] }
    : { label: "", colour: CENTRE_COLOUR, dash: [] };
}

export function readable(name: string): string {
  return name.replaceAll("_", " ");
}

/** Everything a trace can show, in the order of the menu. */
export function channelsOf(scene: Scene): Channel[] {
  const isLength = (base: string): boolean => /^pelvis_t[xyz]$/.test(base);
  const coordinates = paired(scene.coordinates);
  const angles = coordinates.map(
    ({ base, parts }): Channel => ({
      id: `angle:${base}`,
      label: isLength(base) ? `${readable(base)} position` : `${readable(base.replace(/_angle$/, ""))} angle`,
      group: "Angles",
      unit: isLength(base) ? "m" : "°",
      minSpan: isLength(base) ? 0.2 : 20,
      maxSd: isLength(base) ? Infinity : MAX_ANGLE_SD_DEG,
      stream: "kinematics",
      curves: parts.map(({ side, index }) => ({
        ...look(side),
        value: (sample) => sample.angles[index] ?? NaN,
        sd: (sample) => sample.anglesSd[index] ?? NaN,
        atLimit: (sample) => (sample.atLimit[index] ?? 0) > 0,
      })),
    }),
  );
  const moments = coordinates.map(
    ({ base, parts }): Channel => ({
      id: `moment:${base}`,
      label: isLength(base)
        ? `${readable(base)} residual force`
        : `${readable(base.replace(/_angle$/, ""))} ${base.startsWith("pelvis") ? "residual moment" : "moment"}`,
      group: "Moments",
      unit: isLength(base) ? "N" : "N m",
      minSpan: 20,
      maxSd: Infinity,
      stream: "kinetics",
      curves: parts.map(({ side, index }) => ({
        ...look(side),
        value: (sample) => sample.torques[index] ?? NaN,
        sd: (sample) => sample.torquesSd[index] ?? NaN,
      })),
    }),
  );
  return [...angles, ...moments, ...forces(scene), ...muscles(scene)];
}

function forces(scene: Scene): Channel[] {
  const scale = scene.body_weight_n ? 100 / scene.body_weight_n : 1;
  return Object.entries(FORCE_AXES).map(([name, axis]) => ({
    id: `force:${name}`,
    label: `${name} ground force`,
    group: "Ground forces",
    unit: scene.body_weight_n ? "% body weight" : "N",
    minSpan: scene.body_weight_n ? 40 : 300,
    maxSd: Infinity,
    stream: "kinetics",
    curves: SIDES.map((side) => ({
      ...look(side),
      value: (sample) => scale * (sample.feet[side].force[axis] ?? NaN),
      sd: (sample) => scale * (sample.forceSd[side][axis] ?? NaN),
    })),
  }));
}

function muscles(scene: Scene): Channel[] {
  return paired(scene.muscles.map((muscle) => muscle.name)).map(({ base, parts }) => ({
    id: `muscle:${base}`,
    label: `${base} activation`,
    group: "Muscles",
    unit: "0–1",
    minSpan: 0.5,
    maxSd: Infinity,
    stream: "kinetics",
    curves: parts.map(({ side, index }) => ({
      ...look(side),
      value: (sample) => sample.activations[index] ?? NaN,
      sd: (sample) => sample.activationsSd[index] ?? NaN,
    })),
  }));
}
