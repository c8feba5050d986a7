import { failpoint } from "@reprise/engine";

for (let pass = 1; pass <= 5; pass++) {
  failpoint("flush-begun");
  failpoint("flush-written");
  console.log(pass);
}
