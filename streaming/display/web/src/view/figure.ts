import * as THREE from "three";
import type { LiveFrame, Scene } from "../protocol";
import { Forces, type DrawnArrow } from "./forces";
import { Muscles } from "./muscles";
import { Skeleton } from "./skeleton";
import { Stage, type ViewName } from "./stage";

const LOADED_N = 100;

export interface DrawnScene {
  seq: number;
  greyed: boolean;
  bodies: Record<string, number[]>;
  quaternions: Record<string, readonly number[]>;
  arrows: DrawnArrow[];
}

interface Person {
  scene: Scene;
  skeleton: Skeleton;
  muscles: Muscles | null;
  forces: Forces | null;
}

/** The 3D view of the person: bones, muscles, forces; redrawn when a frame or the camera changed. */
export class Figure {
  private readonly stage: Stage;
  private person: Person | null = null;
  private frame: LiveFrame | null = null;
  private heading = 0;
  private ground = 0;
  private current = true;
  /** The newest frame is not on the screen yet. */
  private stale = false;
  private posedSeq = -1;

  constructor(
    host: HTMLElement,
    private readonly show: { muscles: boolean; forces: boolean },
  ) {
    this.stage = new Stage(host);
  }

  setScene(scene: Scene): void {
    this.person?.skeleton.dispose();
    this.person?.muscles?.dispose();
    this.person?.forces?.dispose();
    const person: Person = {
      scene,
      skeleton: new Skeleton(scene, this.stage.software),
      muscles: this.show.muscles ? new Muscles(scene, this.stage.software) : null,
      forces: this.show.forces ? new Forces(scene.body_weight_n) : null,
    };
    this.stage.world.add(person.skeleton.root);
    if (person.muscles) this.stage.world.add(person.muscles.mesh);
    if (person.forces) this.stage.world.add(person.forces.root);
    // until there is a frame there is no pose to show
    for (const object of [person.skeleton.root, person.muscles?.mesh]) if (object) object.visible = false;
    this.person = person;
    this.stage.changed();
    this.stale = true;
  }

  /** Show this frame with the next picture. */
  setFrame(frame: LiveFrame): void {
    this.frame = frame;
    this.stale = true;
    this.stage.changed();
  }

  private pose(): void {
    const { person, frame } = this;
    this.stale = false;
    if (!person || !frame) return;
    this.posedSeq = frame.seq;
    person.skeleton.pose(frame);
    person.skeleton.root.visible = true;
    if (person.muscles) person.muscles.mesh.visible = true;
    this.heading = this.headingOf(person.skeleton);
    this.ground = groundUnder(frame) ?? this.ground;
    person.muscles?.pose(person.skeleton);
    this.colour();
  }

  /** Whether what is drawn is the present. */
  setCurrent(current: boolean): void {
    this.current = current;
    this.stale = true;
    this.stage.changed();
  }

  get periodMs(): number {
    return this.stage.periodMs;
  }

  get forPrint(): boolean {
    return this.stage.forPrint;
  }

  get software(): boolean {
    return this.stage.software;
  }

  look(view: ViewName): void {
    this.stage.look(view, this.heading);
  }

  toggleFollow(): boolean {
    this.stage.follow = !this.stage.follow;
    return this.stage.follow;
  }

  debug(): Record<string, unknown> {
    return this.stage.debug();
  }

  /** Draw the next picture if it is time for it; true if one was drawn. */
  render(now: number): boolean {
    if (!this.stage.due(now)) return false;
    if (this.stale) this.pose();
    const pelvis = this.person?.skeleton.pelvis;
    if (pelvis && this.frame) this.stage.track(pelvis.position, this.ground, this.heading);
    this.stage.draw(now);
    return true;
  }

  /** Read back from the three.js objects, for tests. */
  drawn(): DrawnScene | null {
    const { person, frame } = this;
    if (!person || !frame || this.posedSeq < 0) return null;
    const entries = person.skeleton.bodies.map((body) => {
      const position = body.getWorldPosition(new THREE.Vector3()).toArray();
      const q = body.getWorldQuaternion(new THREE.Quaternion());
      return [body.name, position, [q.w, q.x, q.y, q.z]] as const;
    });
    return {
      seq: this.posedSeq,
      greyed: !this.current,
      bodies: Object.fromEntries(entries.map(([name, position]) => [name, position])),
      quaternions: Object.fromEntries(entries.map(([name, , quaternion]) => [name, quaternion])),
      arrows: person.forces?.drawn() ?? [],
    };
  }

  private colour(): void {
    const { person, frame } = this;
    if (!person || !frame) return;
    const tracked = this.current && frame.kinematics?.tracked !== false;
    person.skeleton.setCurrent(tracked);
    person.muscles?.colour(frame.kinetics, tracked);
    person.forces?.set(frame.kinetics, tracked);
  }

  /** Direction the pelvis faces (its x axis), seen from above. */
  private headingOf(skeleton: Skeleton): number {
    const { pelvis } = skeleton;
    if (!pelvis) return 0;
    const forward = new THREE.Vector3(1, 0, 0).applyQuaternion(pelvis.quaternion);
    return Math.atan2(forward.y, forward.x);
  }
}

/** Where the feet are on something, that is the floor (a treadmill's belt lies above the world's zero). */
function groundUnder(frame: LiveFrame): number | null {
  const { kinetics } = frame;
  if (!kinetics?.valid) return null;
  const loaded = Object.values(kinetics.feet).filter((foot) => foot.force[2]! > LOADED_N);
  if (loaded.length === 0) return null;
  return loaded.reduce((sum, foot) => sum + foot.cop[2]!, 0) / loaded.length;
}
