/** Stands for xmlbuilder2, which vtk.js needs to read and write files of its own only. */

export function create(): never {
  throw new Error("xmlbuilder2 is left out of the viewer");
}

export const convert = create;
export const decode = create;
export default { create, convert, decode };
