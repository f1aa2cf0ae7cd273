/** Stands for codecs that the viewer does without: JPEG baseline is the browser's, JPEG XL is not kept by CoRead. */

export default function absent(): never {
  throw new Error("this codec is left out of the viewer");
}
