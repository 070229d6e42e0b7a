import * as THREE from "three";
import { mergeGeometries, mergeVertices, toCreasedNormals } from "three/examples/jsm/utils/BufferGeometryUtils.js";
import { coarse } from "./coarse";
import type { LiveFrame, Material, Scene } from "../protocol";

const CREASE_RAD = 1.1;
const GREY = new THREE.Color(0x59636e);

/** The person's bodies, each a group that carries its shapes and is placed by the LiveFrame. */
export class Skeleton {
  readonly root = new THREE.Group();
  readonly bodies: THREE.Group[];
  private readonly materials: Record<Material, THREE.MeshStandardMaterial> = {
    bone: new THREE.MeshStandardMaterial({ color: 0xe9dcc3, roughness: 0.55, metalness: 0.0 }),
    hollow: new THREE.MeshStandardMaterial({ color: 0x2a221a, roughness: 0.95, metalness: 0.0 }),
  };
  private readonly colours = {
    bone: this.materials.bone.color.clone(),
    hollow: this.materials.hollow.color.clone(),
  };

  /** ``simple``: few triangles, for pictures that are drawn in software. */
  constructor(scene: Scene, simple: boolean) {
    this.bodies = scene.bodies.map((name) => {
      const group = new THREE.Group();
      group.name = name;
      this.root.add(group);
      return group;
    });
    for (const shape of scene.capsules) {
      const from = new THREE.Vector3(...shape.start);
      const along = new THREE.Vector3(...shape.end).sub(from);
      const mesh = this.mesh(new THREE.CapsuleGeometry(shape.radius, along.length(), 8, 20), shape.material);
      mesh.position.copy(from).addScaledVector(along, 0.5);
      mesh.quaternion.setFromUnitVectors(new THREE.Vector3(0, 1, 0), along.normalize());
      this.bodies[shape.body]?.add(mesh);
    }
    for (const shape of scene.ellipsoids) {
      const mesh = this.mesh(new THREE.SphereGeometry(1, 32, 20), shape.material);
      const [w, x, y, z] = shape.quaternion;
      mesh.quaternion.set(x, y, z, w);
      mesh.position.set(...shape.centre);
      mesh.scale.set(...shape.half_axes);
      this.bodies[shape.body]?.add(mesh);
    }
    this.addMeshes(scene, simple);
  }

  /** One mesh per body and material: a hundred small ones cost more to hand over than to draw. */
  private addMeshes(scene: Scene, simple: boolean): void {
    const together = new Map<string, { body: number; material: Material; parts: THREE.BufferGeometry[] }>();
    for (const shape of scene.meshes) {
      const { vertices, triangles } = simple ? coarse(shape.vertices, shape.triangles) : shape;
      if (triangles.length === 0) continue;
      const flat = new THREE.BufferGeometry();
      flat.setAttribute("position", new THREE.BufferAttribute(vertices, 3));
      flat.setIndex(new THREE.BufferAttribute(triangles, 1));
      const key = `${shape.body} ${shape.material}`;
      const found = together.get(key) ?? { body: shape.body, material: shape.material, parts: [] };
      // welded again after the creases: a fifth of the corners to transform
      found.parts.push(mergeVertices(toCreasedNormals(flat, CREASE_RAD)));
      together.set(key, found);
    }
    for (const { body, material, parts } of together.values()) {
      const geometry = parts.length === 1 ? parts[0]! : mergeGeometries(parts);
      this.bodies[body]?.add(this.mesh(geometry, material));
    }
  }

  get pelvis(): THREE.Group | undefined {
    return this.bodies.find((body) => body.name === "pelvis") ?? this.bodies[0];
  }

  pose(frame: LiveFrame): void {
    const { bodyPositions: p, bodyQuaternions: q } = frame;
    this.bodies.forEach((body, k) => {
      if (4 * k + 3 >= q.length) return;
      body.position.fromArray(p, 3 * k);
      body.quaternion.set(q[4 * k + 1]!, q[4 * k + 2]!, q[4 * k + 3]!, q[4 * k]!);
    });
    this.root.updateMatrixWorld(true);
  }

  /** Grey bones say: this is not where the person is now. */
  setCurrent(current: boolean): void {
    for (const kind of ["bone", "hollow"] as const) this.materials[kind].color.copy(current ? this.colours[kind] : GREY);
  }

  dispose(): void {
    this.root.traverse((object) => {
      if (object instanceof THREE.Mesh) (object.geometry as THREE.BufferGeometry).dispose();
    });
    for (const material of Object.values(this.materials)) material.dispose();
    this.root.removeFromParent();
  }

  private mesh(geometry: THREE.BufferGeometry, material: Material): THREE.Mesh {
    const mesh = new THREE.Mesh(geometry, this.materials[material]);
    mesh.castShadow = true;
    mesh.receiveShadow = material === "bone";
    return mesh;
  }
}
