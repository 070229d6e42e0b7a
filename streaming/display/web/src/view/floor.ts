import * as THREE from "three";

const SIZE_M = 40;

export interface Floor {
  group: THREE.Group;
  follow(x: number, y: number, z: number): void;
}

/** A floor with lines every 0.5 m (stronger every metre) that fade with distance, and soft shadows. */
export function createFloor(): Floor {
  const geometry = new THREE.PlaneGeometry(SIZE_M, SIZE_M);
  const grid = new THREE.Mesh(
    geometry,
    new THREE.ShaderMaterial({
      uniforms: { centre: { value: new THREE.Vector2() } },
      vertexShader: `
        varying vec2 place;
        void main() {
          vec4 world = modelMatrix * vec4(position, 1.0);
          place = world.xy;
          gl_Position = projectionMatrix * viewMatrix * world;
        }`,
      fragmentShader: `
        uniform vec2 centre;
        varying vec2 place;
        float line(float spacing, float width) {
          vec2 cell = place / spacing;
          vec2 reach = fwidth(cell);
          vec2 away = abs(fract(cell - 0.5) - 0.5);
          vec2 on = 1.0 - smoothstep(reach * 0.5 + width / spacing * 0.5, reach * 1.5 + width / spacing * 0.5, away);
          // where lines come closer than a few pixels they would flicker: fade them out
          on *= 1.0 - smoothstep(0.15, 0.5, reach);
          return max(on.x, on.y);
        }
        void main() {
          float far = distance(place, centre);
          float fade = 1.0 - smoothstep(1.5, 9.0, far);
          float strength = max(0.16 * line(0.5, 0.003), 0.38 * line(1.0, 0.006)) * fade;
          vec3 ground = mix(vec3(0.0508, 0.0706, 0.0941), vec3(0.088, 0.115, 0.145), exp(-far * far / 7.0));
          gl_FragColor = vec4(mix(ground, vec3(0.52, 0.65, 0.78), strength), 1.0);
        }`,
    }),
  );
  const shade = new THREE.Mesh(geometry, new THREE.ShadowMaterial({ opacity: 0.5 }));
  shade.receiveShadow = true;
  shade.position.z = 0.001;
  grid.renderOrder = -1;
  const group = new THREE.Group();
  group.add(grid, shade);
  const centre = grid.material.uniforms["centre"]!.value as THREE.Vector2;
  return {
    group,
    follow(x, y, z) {
      group.position.set(x, y, z);
      centre.set(x, y);
    },
  };
}
