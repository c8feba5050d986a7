import { devices } from "./devices.ts";

export default devices(2);
