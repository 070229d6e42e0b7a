// What the server sends. Twin of frame_codec.py, scene.py and hub.py, which describe the layouts.

export type Vec3 = readonly [number, number, number];
export type Side = "right" | "left";

export interface CapsuleShape {
  body: number;
  start: Vec3;
  end: Vec3;
  radius: number;
  material: Material;
}
export interface EllipsoidShape {
  body: number;
  centre: Vec3;
  quaternion: readonly [number, number, number, number];
  half_axes: Vec3;
  material: Material;
}
export interface MeshShape {
  body: number;
  material: Material;
  vertices: Float32Array;
  triangles: Uint32Array;
}
export type Material = "bone" | "hollow";

export interface MusclePath {
  name: string;
  bodies: number[];
  points: Vec3[];
  radius: number;
}

export interface Scene {
  revision: number;
  session_id: string;
  subject_id: string;
  source: string;
  external_support: string;
  body_sha256: string;
  body_weight_n: number | null;
  bodies: string[];
  parents: number[];
  coordinates: string[];
  keypoints: string[];
  muscles: MusclePath[];
  capsules: CapsuleShape[];
  ellipsoids: EllipsoidShape[];
  meshes: MeshShape[];
}

export interface FootForce {
  force: Float32Array;
  cop: Float32Array;
}
export interface Kinematics {
  tNs: bigint;
  valid: boolean;
  tracked: boolean;
  angles: Float32Array;
  anglesSd: Float32Array;
  atLimit: Float32Array;
}
export interface Kinetics {
  tNs: bigint;
  valid: boolean;
  reason: string;
  torques: Float32Array;
  torquesSd: Float32Array;
  feet: Record<Side, FootForce>;
  forceSd: Record<Side, Float32Array>;
  residualPctBw: number;
  activations: Float32Array;
  activationsSd: Float32Array;
}
export interface CameraHealth {
  name: string;
  present: boolean;
  medianPx: number;
  inlierShare: number;
  frames: number;
  missed: number;
  dropped: number;
  flag: string;
}
export interface LiveFrame {
  seq: number;
  sceneRevision: number;
  tNs: bigint;
  recordedThroughNs: bigint;
  flush: boolean;
  bodyPositions: Float32Array;
  bodyQuaternions: Float32Array; // wxyz
  kinematics: Kinematics | null;
  kinetics: Kinetics | null;
  cameras: CameraHealth[];
  status: string;
  noEvent: string;
  /** How old its pictures were when the display server got it; null where that cannot be said. */
  ageMs: number | null;
  /** When the page had it, on the page's own clock (performance.now). */
  arrivedMs: number;
}

export interface GaitEvent {
  type: "event";
  side: Side;
  event: string;
  t_ns: string;
  emitted_ns: string;
  sd_s: number | null;
}
export interface Stride {
  type: "stride";
  side: Side;
  values: Record<string, number | null>;
  sd: Record<string, number | null>;
}
export interface Target {
  coordinate: string;
  statistic: "max" | "min";
  low: number;
  high: number;
}
export interface Feedback {
  type: "feedback";
  target: Target;
  strides: { t_ns: string; value: number | null; in_band: boolean; reason: string }[];
  counted: number;
  in_band: number;
  not_counted: number;
}
export interface Control {
  type: "control";
  blank: boolean;
  /** This page's last request to blank or show that the server has obeyed; they count from 1 on each connection. */
  obeyed: number;
  patient_screens: number;
  source_error: string;
}
export interface Health {
  type: "health";
  ready: boolean;
  stages_ms: Record<string, [p50: number | null, p99: number | null, max: number | null]>;
  dropped: number;
  late: number;
  findings: string[];
}
export type Notice = GaitEvent | Stride | Feedback | Control | Health;

const FRAME_MAGIC = 0x464c434b; // "KCLF"
const SCENE_MAGIC = 0x4353434b; // "KCSC"
const FRAME_VERSION = 1;
const HEADER_BYTES = 64;
const NO_AGE = 0xffffffff;
const FLAG = { kinematics: 1, kinetics: 2, kinematicsValid: 4, tracked: 8, kineticsValid: 16, flush: 32 };

export class ProtocolError extends Error {}

/** Either a scene or frames (one behind the other), told apart by the first four bytes. */
export function decodeBinary(buffer: ArrayBuffer): { scene: Scene } | { frames: LiveFrame[] } {
  const magic = new DataView(buffer).getUint32(0, true);
  if (magic === SCENE_MAGIC) return { scene: decodeScene(buffer) };
  if (magic === FRAME_MAGIC) {
    const frames: LiveFrame[] = [];
    for (let at = 0; at < buffer.byteLength; ) {
      const [frame, end] = decodeFrame(buffer, at);
      frames.push(frame);
      at = end;
    }
    return { frames };
  }
  throw new ProtocolError(`unknown message 0x${magic.toString(16)}`);
}

/** Arrays of a mesh as byte offset behind the text, and count of numbers. */
interface MeshEntry {
  body: number;
  material: Material;
  vertices: [number, number];
  triangles: [number, number];
}

function decodeScene(buffer: ArrayBuffer): Scene {
  const length = new DataView(buffer).getUint32(4, true);
  const text = new TextDecoder().decode(new Uint8Array(buffer, 8, length));
  const raw = JSON.parse(text) as Omit<Scene, "meshes"> & { meshes: MeshEntry[] };
  const blob = 8 + length;
  const meshes = raw.meshes.map((mesh) => ({
    body: mesh.body,
    material: mesh.material,
    vertices: new Float32Array(buffer, blob + mesh.vertices[0], mesh.vertices[1]),
    triangles: new Uint32Array(buffer, blob + mesh.triangles[0], mesh.triangles[1]),
  }));
  return { ...raw, meshes };
}

/** Takes float sections off a frame one after the other. */
class Sections {
  constructor(
    private readonly buffer: ArrayBuffer,
    private offset: number,
  ) {}

  take(count: number): Float32Array {
    const section = new Float32Array(this.buffer, this.offset, count);
    this.offset += 4 * count;
    return section;
  }

  text(bytes: number): string {
    const text = new TextDecoder().decode(new Uint8Array(this.buffer, this.offset, bytes));
    this.offset += bytes;
    return text;
  }

  get end(): number {
    return this.offset;
  }
}

interface Tail {
  status: string;
  reason: string;
  no_event: string;
  cameras: [name: string, flag: string][];
}

/** The frame that begins at byte ``start``, and where the next one would. */
function decodeFrame(buffer: ArrayBuffer, start: number): [frame: LiveFrame, end: number] {
  const header = new DataView(buffer, start, HEADER_BYTES);
  const version = header.getUint16(4, true);
  if (version !== FRAME_VERSION) throw new ProtocolError(`frame version ${version}; this page reads ${FRAME_VERSION}`);
  const flags = header.getUint16(6, true);
  const counts = [48, 50, 52, 54].map((at) => header.getUint16(at, true));
  const [bodies, coordinates, muscles, cameras] = counts as [number, number, number, number];
  const sections = new Sections(buffer, start + HEADER_BYTES);

  const bodyPositions = sections.take(3 * bodies);
  const bodyQuaternions = sections.take(4 * bodies);
  const kinematics =
    flags & FLAG.kinematics
      ? {
          tNs: header.getBigInt64(24, true),
          valid: (flags & FLAG.kinematicsValid) !== 0,
          tracked: (flags & FLAG.tracked) !== 0,
          angles: sections.take(coordinates),
          anglesSd: sections.take(coordinates),
          atLimit: sections.take(coordinates),
        }
      : null;
  const kinetics =
    flags & FLAG.kinetics
      ? takeKinetics(sections, header.getBigInt64(32, true), (flags & FLAG.kineticsValid) !== 0, coordinates, muscles)
      : null;
  const rows = sections.take(6 * cameras);
  const tail = JSON.parse(sections.text(header.getUint32(60, true))) as Tail;
  if (kinetics) kinetics.reason = tail.reason;
  const ageMs = header.getUint32(56, true);
  const frame: LiveFrame = {
    seq: header.getUint32(8, true),
    sceneRevision: header.getUint32(12, true),
    tNs: header.getBigInt64(16, true),
    recordedThroughNs: header.getBigInt64(40, true),
    flush: (flags & FLAG.flush) !== 0,
    bodyPositions,
    bodyQuaternions,
    kinematics,
    kinetics,
    cameras: tail.cameras.map(([name, flag], k) => cameraHealth(name, flag, rows.subarray(6 * k, 6 * k + 6))),
    status: tail.status,
    noEvent: tail.no_event,
    ageMs: ageMs === NO_AGE ? null : ageMs,
    arrivedMs: performance.now(),
  };
  return [frame, sections.end];
}

function takeKinetics(sections: Sections, tNs: bigint, valid: boolean, coordinates: number, muscles: number): Kinetics {
  const torques = sections.take(coordinates);
  const torquesSd = sections.take(coordinates);
  const foot = (): FootForce => ({ force: sections.take(3), cop: sections.take(3) });
  const feet = { right: foot(), left: foot() };
  const forceSd = { right: sections.take(3), left: sections.take(3) };
  const residualPctBw = sections.take(1)[0] ?? NaN;
  const activations = sections.take(muscles);
  const activationsSd = sections.take(muscles);
  return { tNs, valid, reason: "", torques, torquesSd, feet, forceSd, residualPctBw, activations, activationsSd };
}

function cameraHealth(name: string, flag: string, row: Float32Array): CameraHealth {
  const [present, medianPx, inlierShare, frames, missed, dropped] = row as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { name, present: present > 0, medianPx, inlierShare, frames, missed, dropped, flag };
}
