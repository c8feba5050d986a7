import type { ReferenceTable } from "../table/reference-table.ts";
import type { Frame } from "./frame.ts";

/** `ctx.tables.<name>` of a table with the processor's key: the row of the key at hand, as it was at the record's time. */
export class TableHandle {
  private readonly table: ReferenceTable;
  private readonly frame: Frame;

  constructor(table: ReferenceTable, frame: Frame) {
    this.table = table;
    this.frame = frame;
  }

  get(): unknown {
    const { entry, timestampMs } = this.frame.live();
    return this.table.get(entry, timestampMs);
  }
}

/** `ctx.tables.<name>` of a broadcast table: any row, as it was at the record's time. */
export class BroadcastHandle {
  private readonly table: ReferenceTable;
  private readonly frame: Frame;

  constructor(table: ReferenceTable, frame: Frame) {
    this.table = table;
    this.frame = frame;
  }

  /** @throws RepriseError SCHEMA_INVALID when the key is none of the table's */
  get(key: unknown): unknown {
    return this.table.valueOf(key, this.frame.live().timestampMs);
  }
}
