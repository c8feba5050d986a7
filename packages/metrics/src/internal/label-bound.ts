type Labels = { readonly [label: string]: string | number };

/** Longer values are cut: a label is a name, not a message. */
const maxValueLength = 200;

/** Lets label sets in until there are too many; those that are in go on being counted. */
export class LabelBound {
  readonly #max: number;
  readonly #dropped: () => void;
  readonly #seen = new Set<string>();

  constructor(max: number, dropped: () => void) {
    this.#max = max;
    this.#dropped = dropped;
  }

  /** The labels as they are to be counted, or undefined when they are not. */
  admit(labels: Labels): { [label: string]: string } | undefined {
    const values = cut(labels);
    const key = keyOf(values);
    if (!this.#seen.has(key)) {
      if (this.#seen.size >= this.#max) {
        this.#dropped();
        return undefined;
      }
      this.#seen.add(key);
    }
    return values;
  }

  forget(labels: Labels): { [label: string]: string } {
    const values = cut(labels);
    this.#seen.delete(keyOf(values));
    return values;
  }
}

function cut(labels: Labels): { [label: string]: string } {
  const values: { [label: string]: string } = {};
  for (const name of Object.keys(labels)) {
    const value = labels[name];
    values[name] = typeof value === "string" ? value.slice(0, maxValueLength) : String(value);
  }
  return values;
}

/** In the labels' own order, which may differ from call to call. */
function keyOf(values: { readonly [label: string]: string }): string {
  const names = Object.keys(values).sort();
  return names.map((name) => `${name}=${values[name]}`).join("\0");
}
