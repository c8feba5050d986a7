/** A page for Prometheus as numbers: `name{labels}` as it stands there. */
export async function readMetrics(url: string): Promise<Map<string, number>> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const samples = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

/** The sum over all samples of a metric whose labels have all of these. */
export function sumOf(metrics: ReadonlyMap<string, number>, name: string, labels: { readonly [label: string]: string } = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const [sample, value] of metrics) if (sample.startsWith(`${name}{`) && wanted.every((part) => sample.includes(part))) sum += value;
  return sum;
}
