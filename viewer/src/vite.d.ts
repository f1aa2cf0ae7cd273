declare module "cornerstone-decoders";
declare module "*.css?inline" { const text: string; export default text; }
