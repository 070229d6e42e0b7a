/** Cells of this size are a pixel or two of the small pictures that are drawn in software. */
const CELL_M = 0.009;

/** A mesh with all vertices of a cell put together, without the triangles that vanish (vertex clustering). */
export function coarse(vertices: Float32Array, triangles: Uint32Array): { vertices: Float32Array; triangles: Uint32Array } {
  const places = new Map<string, number>();
  const sums: number[] = [];
  const counts: number[] = [];
  const count = vertices.length / 3;
  const moved = new Uint32Array(count);
  for (let v = 0; v < count; v++) {
    const cell = [0, 1, 2].map((axis) => Math.floor(vertices[3 * v + axis]! / CELL_M)).join(" ");
    const place = places.get(cell) ?? counts.length;
    if (place === counts.length) {
      places.set(cell, place);
      counts.push(0);
      sums.push(0, 0, 0);
    }
    moved[v] = place;
    counts[place]! += 1;
    for (let axis = 0; axis < 3; axis++) sums[3 * place + axis]! += vertices[3 * v + axis]!;
  }
  const kept: number[] = [];
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [moved[triangles[t]!]!, moved[triangles[t + 1]!]!, moved[triangles[t + 2]!]!];
    if (a !== b && b !== c && c !== a) kept.push(a, b, c);
  }
  return { vertices: Float32Array.from(sums, (sum, k) => sum / counts[Math.floor(k / 3)]!), triangles: Uint32Array.from(kept) };
}
