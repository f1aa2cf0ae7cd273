/** Flat maps between pixels of the stored image and points of the pane, CSS pixels. */

export type Point = [number, number];

/** x' = a x + c y + e, y' = b x + d y + f; as `matrix(a, b, c, d, e, f)`. */
export interface Affine {
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
  f: number;
}

/** The map that takes (0, 0), (1, 0), (0, 1) times `length` to three points. */
export function affineOf(origin: Point, right: Point, down: Point, length = 1): Affine {
  return {
    a: (right[0] - origin[0]) / length,
    b: (right[1] - origin[1]) / length,
    c: (down[0] - origin[0]) / length,
    d: (down[1] - origin[1]) / length,
    e: origin[0],
    f: origin[1],
  };
}

export function apply(map: Affine, [x, y]: Point): Point {
  return [map.a * x + map.c * y + map.e, map.b * x + map.d * y + map.f];
}

export function determinant({ a, b, c, d }: Affine): number {
  return a * d - b * c;
}

export function inverse(map: Affine): Affine {
  const size = determinant(map) || 1e-12;
  const { a, b, c, d, e, f } = map;
  return {
    a: d / size,
    b: -b / size,
    c: -c / size,
    d: a / size,
    e: (c * f - d * e) / size,
    f: (b * e - a * f) / size,
  };
}

export function matrixText({ a, b, c, d, e, f }: Affine): string {
  return `matrix(${a} ${b} ${c} ${d} ${e} ${f})`;
}
