import * as THREE from "three";
import { activationColour, INVALID_COLOUR } from "../palette";
import type { Kinetics, MusclePath, Scene } from "../protocol";
import type { Skeleton } from "./skeleton";

const FINE = { rings: 14, sides: 8 };
const SIMPLE = { rings: 8, sides: 4 };
const TENDON_RADIUS_M = 0.0022;
const AXIS_FALLBACK = new THREE.Vector3(0.31, 0.2, 0.93).normalize();

/** All muscles as one mesh of spindles along their paths, coloured by activation. */
export class Muscles {
  readonly mesh: THREE.Mesh;
  private readonly positions: Float32Array;
  private readonly normals: Float32Array;
  private readonly colours: Float32Array;
  private readonly grey = new THREE.Color(INVALID_COLOUR);
  private readonly path: THREE.Vector3[];
  private readonly arc: Float32Array;

  private readonly rings: number;
  private readonly sides: number;

  /** ``simple``: few triangles, for pictures that are drawn in software. */
  constructor(
    private readonly scene: Scene,
    simple: boolean,
  ) {
    ({ rings: this.rings, sides: this.sides } = simple ? SIMPLE : FINE);
    const vertices = scene.muscles.length * this.rings * this.sides;
    this.positions = new Float32Array(3 * vertices);
    this.normals = new Float32Array(3 * vertices);
    this.colours = new Float32Array(3 * vertices);
    const longest = Math.max(2, ...scene.muscles.map((muscle) => muscle.points.length));
    this.path = Array.from({ length: longest }, () => new THREE.Vector3());
    this.arc = new Float32Array(longest);
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(this.positions, 3));
    geometry.setAttribute("normal", new THREE.BufferAttribute(this.normals, 3));
    geometry.setAttribute("color", new THREE.BufferAttribute(this.colours, 3));
    geometry.setIndex(tubeTriangles(scene.muscles.length, this.rings, this.sides));
    this.mesh = new THREE.Mesh(geometry, new THREE.MeshStandardMaterial({ vertexColors: true, roughness: 0.55, toneMapped: false }));
    this.mesh.frustumCulled = false;
    this.mesh.castShadow = true;
  }

  /** Lay the spindles along the posed skeleton. */
  pose(skeleton: Skeleton): void {
    this.scene.muscles.forEach((muscle, m) => this.layTube(muscle, m, skeleton));
    this.mesh.geometry.getAttribute("position").needsUpdate = true;
    this.mesh.geometry.getAttribute("normal").needsUpdate = true;
  }

  /** Activations are shown only while kinetics is valid; grey otherwise. */
  colour(kinetics: Kinetics | null, current: boolean): void {
    const shown = current && kinetics !== null && kinetics.valid && kinetics.activations.length > 0;
    const rgb = new Float32Array(3);
    const each = this.rings * this.sides;
    const colour = new THREE.Color();
    for (let m = 0; m < this.scene.muscles.length; m++) {
      if (shown) {
        activationColour(kinetics.activations[m] ?? 0, rgb, 0);
        colour.setRGB(rgb[0]!, rgb[1]!, rgb[2]!, THREE.SRGBColorSpace);
      } else {
        colour.copy(this.grey);
      }
      for (let v = m * each; v < (m + 1) * each; v++) colour.toArray(this.colours, 3 * v);
    }
    this.mesh.geometry.getAttribute("color").needsUpdate = true;
  }

  dispose(): void {
    this.mesh.geometry.dispose();
    (this.mesh.material as THREE.Material).dispose();
    this.mesh.removeFromParent();
  }

  private layTube(muscle: MusclePath, m: number, skeleton: Skeleton): void {
    const { path, arc, rings, sides } = this;
    const count = muscle.points.length;
    for (let k = 0; k < count; k++) {
      const body = skeleton.bodies[muscle.bodies[k]!];
      if (!body) return;
      path[k]!.fromArray(muscle.points[k]! as [number, number, number]).applyMatrix4(body.matrixWorld);
      arc[k] = k === 0 ? 0 : arc[k - 1]! + path[k]!.distanceTo(path[k - 1]!);
    }
    const total = arc[count - 1]!;
    const side = new THREE.Vector3();
    const up = new THREE.Vector3();
    const along = new THREE.Vector3();
    const centre = new THREE.Vector3();
    let segment = 0;
    for (let ring = 0; ring < rings; ring++) {
      const share = ring / (rings - 1);
      while (segment < count - 2 && arc[segment + 1]! < share * total) segment++;
      const length = Math.max(1e-6, arc[segment + 1]! - arc[segment]!);
      along.subVectors(path[segment + 1]!, path[segment]!).divideScalar(length);
      centre.copy(path[segment]!).addScaledVector(along, share * total - arc[segment]!);
      side.crossVectors(along, AXIS_FALLBACK).normalize();
      up.crossVectors(along, side);
      // belly in the middle, tendon at both ends
      const belly = Math.sin(Math.PI * Math.min(1, Math.max(0, (share - 0.06) / 0.88)));
      const radius = TENDON_RADIUS_M + (muscle.radius - TENDON_RADIUS_M) * belly ** 1.4;
      for (let s = 0; s < sides; s++) {
        const angle = (2 * Math.PI * s) / sides;
        const at = 3 * ((m * rings + ring) * sides + s);
        for (let axis = 0; axis < 3; axis++) {
          const normal =
            Math.cos(angle) * side.getComponent(axis) + Math.sin(angle) * up.getComponent(axis);
          this.normals[at + axis] = normal;
          this.positions[at + axis] = centre.getComponent(axis) + radius * normal;
        }
      }
    }
  }
}

function tubeTriangles(muscles: number, rings: number, sides: number): number[] {
  const index: number[] = [];
  for (let m = 0; m < muscles; m++) {
    for (let ring = 0; ring < rings - 1; ring++) {
      for (let s = 0; s < sides; s++) {
        const a = (m * rings + ring) * sides + s;
        const b = (m * rings + ring) * sides + ((s + 1) % sides);
        index.push(a, a + sides, b, b, a + sides, b + sides);
      }
    }
  }
  return index;
}
