import * as THREE from "three";
import { INVALID_COLOUR, SIDE_COLOUR } from "../palette";
import type { Kinetics, Side } from "../protocol";

/** Length of an arrow of one body weight. */
export const METRES_PER_BODY_WEIGHT = 0.85;
/** For scaling while the body mass is unknown. */
const NOMINAL_WEIGHT_N = 700;
const SHAFT_RADIUS_M = 0.015;
const HEAD_LENGTH_M = 0.1;
const HEAD_RADIUS_M = 0.042;
const MIN_SHOWN_N = 1;
const Z = new THREE.Vector3(0, 0, 1);

export interface DrawnArrow {
  side: Side;
  visible: boolean;
  greyed: boolean;
  origin_m: number[];
  vector_n: number[];
}

/** Ground reaction force of one foot: an arrow from the centre of pressure, length in body weights. */
class Arrow {
  readonly group = new THREE.Group();
  private readonly shaft: THREE.Mesh;
  private readonly head: THREE.Mesh;
  private readonly foot: THREE.Mesh;
  private readonly material: THREE.MeshStandardMaterial;
  private readonly ghost: THREE.MeshBasicMaterial;
  private greyed = false;

  constructor(
    private readonly side: Side,
    private readonly metresPerNewton: number,
  ) {
    const colour = new THREE.Color(SIDE_COLOUR[side]);
    this.material = new THREE.MeshStandardMaterial({
      color: colour,
      emissive: colour,
      emissiveIntensity: 0.55,
      roughness: 0.4,
      toneMapped: false,
    });
    const shaft = new THREE.CylinderGeometry(SHAFT_RADIUS_M, SHAFT_RADIUS_M, 1, 20).rotateX(Math.PI / 2);
    this.shaft = new THREE.Mesh(shaft.translate(0, 0, 0.5), this.material);
    const head = new THREE.ConeGeometry(HEAD_RADIUS_M, 1, 24).rotateX(Math.PI / 2);
    this.head = new THREE.Mesh(head.translate(0, 0, 0.5), this.material);
    this.foot = new THREE.Mesh(new THREE.RingGeometry(0.022, 0.032, 32), this.material);
    this.foot.position.z = 0.004;
    this.ghost = new THREE.MeshBasicMaterial({ color: colour, depthTest: false, transparent: true, opacity: 0.35, toneMapped: false });
    for (const part of [this.shaft, this.head]) {
      // a bone or muscle in front must not hide the force
      const ghost = new THREE.Mesh(part.geometry, this.ghost);
      ghost.renderOrder = 2;
      part.add(ghost);
    }
    this.group.add(this.shaft, this.head);
    this.group.visible = this.foot.visible = false;
  }

  get objects(): THREE.Object3D[] {
    return [this.group, this.foot];
  }

  set(force: Float32Array, cop: Float32Array, valid: boolean): void {
    const vector = new THREE.Vector3().fromArray(force);
    const newtons = vector.length();
    this.group.visible = this.foot.visible = newtons >= MIN_SHOWN_N;
    if (!this.group.visible) return;
    const length = newtons * this.metresPerNewton;
    const headLength = Math.min(HEAD_LENGTH_M, 0.5 * length);
    this.group.position.fromArray(cop);
    this.foot.position.set(cop[0]!, cop[1]!, cop[2]! + 0.004);
    this.group.quaternion.setFromUnitVectors(Z, vector.divideScalar(newtons));
    this.shaft.scale.z = length - headLength;
    this.head.position.z = length - headLength;
    this.head.scale.z = headLength;
    this.grey(!valid);
    this.group.updateMatrixWorld(true);
  }

  grey(greyed: boolean): void {
    this.greyed = greyed;
    this.material.color.set(greyed ? INVALID_COLOUR : SIDE_COLOUR[this.side]);
    this.material.emissive.copy(this.material.color);
    this.ghost.color.copy(this.material.color);
    this.material.transparent = greyed;
    this.material.opacity = greyed ? 0.55 : 1;
  }

  /** Read back from the drawn objects: where the shaft starts and where the tip of the head is. */
  drawn(): DrawnArrow {
    this.group.updateMatrixWorld(true);
    const origin = this.shaft.localToWorld(new THREE.Vector3(0, 0, 0));
    const tip = this.head.localToWorld(new THREE.Vector3(0, 0, 1));
    const vector = tip.sub(origin).divideScalar(this.metresPerNewton);
    return {
      side: this.side,
      visible: this.group.visible,
      greyed: this.greyed,
      origin_m: origin.toArray(),
      vector_n: this.group.visible ? vector.toArray() : [0, 0, 0],
    };
  }
}

export class Forces {
  readonly root = new THREE.Group();
  private readonly arrows: Record<Side, Arrow>;

  constructor(bodyWeightN: number | null) {
    const metresPerNewton = METRES_PER_BODY_WEIGHT / (bodyWeightN ?? NOMINAL_WEIGHT_N);
    this.arrows = { right: new Arrow("right", metresPerNewton), left: new Arrow("left", metresPerNewton) };
    this.root.add(...this.arrows.right.objects, ...this.arrows.left.objects);
  }

  set(kinetics: Kinetics | null, current: boolean): void {
    this.root.visible = kinetics !== null;
    if (!kinetics) return;
    for (const side of ["right", "left"] as const) {
      const foot = kinetics.feet[side];
      this.arrows[side].set(foot.force, foot.cop, kinetics.valid && current);
    }
  }

  drawn(): DrawnArrow[] {
    return [this.arrows.right.drawn(), this.arrows.left.drawn()];
  }

  dispose(): void {
    this.root.traverse((object) => {
      if (object instanceof THREE.Mesh) (object.geometry as THREE.BufferGeometry).dispose();
    });
    this.root.removeFromParent();
  }
}
