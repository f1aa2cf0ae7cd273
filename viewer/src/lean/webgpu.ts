/** Stands for the WebGPU half of vtk.js. */

export function newInstance(): never {
  throw new Error("WebGPU is left out of the viewer");
}

export const extend = newInstance;
export default { newInstance, extend };
