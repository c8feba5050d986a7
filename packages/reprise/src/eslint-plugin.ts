export { eslintPlugin as default } from "@reprise/processor/lint";
