export { Random } from "../../../../test/support/random.ts";
