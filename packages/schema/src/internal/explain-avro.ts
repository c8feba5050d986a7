import { AvroInput } from "./avro-input.ts";
import { nullBranch } from "./compile/compile-avro-writer.ts";
import { misfit, type Misfit } from "./misfit.ts";
import { describeNode, isPrimitive, type SchemaNode } from "./schema-node.ts";

/** Reads again, slowly, and names the first place where the bytes are not of the shape; undefined when they are. */
export function explainAvro(node: SchemaNode, bytes: Buffer, start: number, end: number, name: string): Misfit | undefined {
  const input = new AvroInput().reset(bytes, start, end);
  const place = { path: name, expected: describeNode(node), offset: 0 };

  const visit = (part: SchemaNode, path: string, nullIndex: 0 | 1 = 0): void => {
    place.path = path;
    place.expected = describeNode(part);
    place.offset = input.position - start;
    if (isPrimitive(part)) {
      input[part.kind === "timestamp" ? "long" : part.kind]();
      return;
    }
    switch (part.kind) {
      case "enum":
        input.index(part.values.length);
        return;
      case "optional":
        if (input.index(2) !== nullIndex) visit(part.inner, path);
        return;
      case "record":
        for (const field of part.fields) visit(field.node, `${path}.${field.name}`, nullBranch(field.default));
        return;
      case "array": {
        let i = 0;
        for (let count = input.blockCount(); count > 0; count = input.blockCount()) while (count-- > 0) visit(part.item, `${path}[${i++}]`);
        return;
      }
      case "map":
        for (let count = input.blockCount(); count > 0; count = input.blockCount())
          while (count-- > 0) visit(part.value, `${path}[${JSON.stringify(input.string())}]`);
    }
  };

  try {
    visit(node, name);
  } catch (error) {
    if (error !== misfit) throw error;
    return { path: place.path, expected: place.expected, got: `bytes that are not at offset ${place.offset} of ${end - start}` };
  }
  if (input.atEnd) return undefined;
  return {
    path: name,
    expected: `${describeNode(node)} of ${input.position - start} bytes`,
    got: `${end - start - (input.position - start)} more bytes from offset ${input.position - start}`,
  };
}
