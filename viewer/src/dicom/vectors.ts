/** Vectors of three, and directions of the body (LPS: left, posterior, superior). */

export type Vector = [number, number, number];

export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

export const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];

export const along = (origin: Vector, direction: Vector, length: number): Vector => [
  origin[0] + direction[0] * length,
  origin[1] + direction[1] * length,
  origin[2] + direction[2] * length,
];

export const norm = (a: Vector): number => Math.hypot(a[0], a[1], a[2]);

export function unit(a: Vector): Vector {
  const length = norm(a) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
}

const LETTERS: [string, string][] = [
  ["L", "R"],
  ["P", "A"],
  ["H", "F"],
];

/** Letters of a direction, strongest first, e.g. "LP" (PS3.3 C.7.6.1.1.1). A part under 1 in 20 is left out. */
export function directionLetters(direction: Vector): string {
  return direction
    .map((part, axis) => ({ size: Math.abs(part), letter: LETTERS[axis]![part > 0 ? 0 : 1]! }))
    .filter(({ size }) => size > 0.05)
    .sort((a, b) => b.size - a.size)
    .slice(0, 2)
    .map(({ letter }) => letter)
    .join("");
}

const OPPOSITE: Record<string, string> = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };

export function oppositeLetters(letters: string): string {
  return [...letters].map((letter) => OPPOSITE[letter] ?? letter).join("");
}
