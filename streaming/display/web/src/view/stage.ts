import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { createFloor, type Floor } from "./floor";
import { drawsInSoftware, QualityControl } from "./quality";

export type ViewName = "oblique" | "right" | "front" | "left" | "back";
const FOLLOW_S = 0.35;
const DISTANCE_M = 3.65;
/** The middle of the picture lies this much below the pelvis' height, at first of an adult. */
const BELOW_PELVIS_M = 0.07;
const CENTRE_HEIGHT_M = 0.87;
/** Heights (of a treadmill's belt, a seat) are followed slowly, so that walking does not rock the picture. */
const HEIGHT_FOLLOW_S = 1.5;
/** After the last change the camera may still glide for this long. */
const SETTLE_MS = 1500;

/** A picture that is not ready after this long is given up on (a lost context). */
const STUCK_MS = 3000;
const POLL_MS = 4;
const SUN_BESIDE_VIEWER_RAD = 0.7;

/** Azimuth of the camera against the person's heading, and elevation (rad). */
const VIEWS: Record<ViewName, readonly [number, number]> = {
  oblique: [-0.87, 0.2],
  right: [-Math.PI / 2, 0.06],
  front: [0, 0.1],
  left: [Math.PI / 2, 0.06],
  back: [Math.PI, 0.1],
};

/** Renderer, lights, floor and a camera that follows the pelvis. World axes as everywhere: Z up, metres. */
export class Stage {
  readonly world = new THREE.Scene();
  private readonly renderer: THREE.WebGLRenderer;
  private readonly camera = new THREE.PerspectiveCamera(34, 1, 0.05, 80);
  private readonly controls: OrbitControls;
  private readonly sun = new THREE.DirectionalLight(0xfff1dd, 2.4);
  private readonly floor: Floor;
  private readonly centre = new THREE.Vector3(0, 0, CENTRE_HEIGHT_M);
  private readonly quality: QualityControl;
  /** Signalled when the last picture is ready; no other is begun before. */
  private fence: WebGLSync | null = null;
  private begunMs = 0;
  /** Drawn by the processor, and so with few triangles. */
  readonly software: boolean;
  private pictures = 0;
  private placed = false;
  private ground = 0;
  private lastTime = performance.now();
  private drawUntil = 0;
  follow = true;

  constructor(private readonly host: HTMLElement) {
    this.camera.up.set(0, 0, 1);
    this.quality = new QualityControl(drawsInSoftware());
    this.software = this.quality.software;
    // in software, smooth edges cost two thirds of a picture
    this.renderer = new THREE.WebGLRenderer({ antialias: !this.software, powerPreference: "high-performance" });
    this.renderer.shadowMap.type = THREE.PCFShadowMap;
    this.renderer.toneMapping = THREE.ACESFilmicToneMapping;
    this.renderer.toneMappingExposure = 1.05;
    this.world.background = new THREE.Color(0x0d1218);
    this.world.fog = new THREE.Fog(0x0d1218, 7, 18);
    host.append(this.renderer.domElement);
    this.renderer.domElement.setAttribute("aria-label", "3D view of the person");
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.enablePan = false;
    this.controls.minDistance = 0.8;
    this.controls.maxDistance = 9;
    this.controls.maxPolarAngle = 0.54 * Math.PI;
    this.light();
    this.floor = createFloor();
    this.world.add(this.floor.group);
    this.controls.addEventListener("change", () => this.changed());
    this.applyQuality();
    new ResizeObserver(() => this.resize()).observe(host);
    this.look("oblique", 0);
  }

  /** Turn to a named view of a person heading towards ``heading`` (rad from world x about z). */
  look(view: ViewName, heading: number): void {
    const [azimuth, elevation] = VIEWS[view];
    const angle = heading + azimuth;
    this.controls.target.copy(this.centre);
    this.camera.position.set(
      this.centre.x + DISTANCE_M * Math.cos(elevation) * Math.cos(angle),
      this.centre.y + DISTANCE_M * Math.cos(elevation) * Math.sin(angle),
      this.centre.z + DISTANCE_M * Math.sin(elevation),
    );
    this.controls.update();
    this.changed();
  }

  /** Something drawn has changed. */
  changed(): void {
    this.drawUntil = performance.now() + SETTLE_MS;
  }

  /** Let the camera glide along with the person; jumps at the first pose. */
  track(pelvis: THREE.Vector3, ground: number, heading: number): void {
    const now = performance.now();
    const spent = (now - this.lastTime) / 1000;
    this.lastTime = now;
    const height = pelvis.z - BELOW_PELVIS_M;
    if (!this.placed) {
      this.placed = true;
      this.ground = ground;
      this.centre.set(pelvis.x, pelvis.y, height);
      this.look("oblique", heading);
    } else if (this.follow) {
      const slowly = 1 - Math.exp(-spent / HEIGHT_FOLLOW_S);
      const move = new THREE.Vector3(pelvis.x, pelvis.y, height).sub(this.centre);
      move.multiply(new THREE.Vector3(1, 1, 0).multiplyScalar(1 - Math.exp(-spent / FOLLOW_S)).setZ(slowly));
      this.ground += slowly * (ground - this.ground);
      this.centre.add(move);
      this.camera.position.add(move);
    }
    this.controls.target.copy(this.centre);
    this.floor.follow(this.centre.x, this.centre.y, this.ground);
    // the light comes over the viewer's shoulder, from wherever one looks
    const { x, y } = this.camera.position;
    const towards = Math.atan2(y - this.centre.y, x - this.centre.x) + SUN_BESIDE_VIEWER_RAD;
    this.sun.position.set(
      this.centre.x + 2.5 * Math.cos(towards),
      this.centre.y + 2.5 * Math.sin(towards),
      this.ground + 4.2,
    );
    this.sun.target.position.set(this.centre.x, this.centre.y, this.ground + 0.6);
  }

  /** Least time between two pictures. */
  get periodMs(): number {
    return this.quality.periodMs;
  }

  /** Drawn as finely as can be, however slowly. */
  get forPrint(): boolean {
    return this.quality.fixed;
  }

  debug(): Record<string, unknown> {
    return { ...this.quality.debug, pictures: this.pictures };
  }

  /** Whether it is time for the next picture, and anything may have changed since the last. */
  due(now: number): boolean {
    if (this.fence && now - this.begunMs < STUCK_MS) return false;
    return now < this.drawUntil && this.quality.due(now);
  }

  draw(now: number): void {
    const until = this.drawUntil;
    this.controls.update();
    // moving with the person changes the camera, but is no reason to go on drawing
    this.drawUntil = until;
    this.quality.started(now);
    this.pictures += 1;
    this.begunMs = performance.now();
    this.renderer.render(this.world, this.camera);
    const gl = this.renderer.getContext() as WebGL2RenderingContext;
    this.fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    this.await(gl, this.fence);
  }

  /** Look every few milliseconds whether the picture is ready: what it cost decides how to go on. */
  private await(gl: WebGL2RenderingContext, fence: WebGLSync | null): void {
    if (!fence) return;
    setTimeout(() => {
      if (this.fence !== fence) {
        gl.deleteSync(fence);
      } else if (gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.SIGNALED) {
        gl.deleteSync(fence);
        this.fence = null;
        if (this.quality.spent(performance.now() - this.begunMs)) this.applyQuality();
      } else {
        this.await(gl, fence);
      }
    }, POLL_MS);
  }

  private light(): void {
    this.world.add(new THREE.HemisphereLight(0xbcd4ff, 0x2a2622, 1.15));
    const rim = new THREE.DirectionalLight(0x86b7ff, 1.1);
    rim.position.set(-3, 3, 2.5);
    this.world.add(rim);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    this.sun.shadow.radius = 2;
    this.sun.shadow.bias = -0.0004;
    this.sun.shadow.normalBias = 0.012;
    const box = this.sun.shadow.camera;
    box.left = box.bottom = -1.6;
    box.right = box.top = 1.6;
    box.near = 0.5;
    box.far = 9;
    this.world.add(this.sun, this.sun.target);
  }

  private applyQuality(): void {
    const { shadows, pixelRatio } = this.quality.quality;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, pixelRatio));
    if (this.renderer.shadowMap.enabled === shadows) return;
    this.renderer.shadowMap.enabled = shadows;
    this.sun.castShadow = shadows;
    this.world.traverse((object) => {
      if (object instanceof THREE.Mesh) for (const material of [object.material].flat()) material.needsUpdate = true;
    });
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width === 0 || height === 0) return;
    this.renderer.setSize(width, height);
    this.camera.aspect = width / height;
    // a very narrow window still shows the whole person
    this.camera.fov = 34 * Math.max(1, (0.55 * height) / width);
    this.camera.updateProjectionMatrix();
    this.changed();
  }
}
