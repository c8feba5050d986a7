import type { ErrorCode } from "@reprise/schema";

const byCode: { readonly [code in ErrorCode]?: number } = {
  INVALID_ARGUMENT: 400,
  INVALID_NAME: 400,
  INVALID_DECLARATION: 400,
  SCHEMA_INVALID: 400,
  NOT_SUPPORTED: 400,
  TOPIC_MISSING: 422,
  PARTITIONS_DIFFER: 422,
  DEPLOYMENT_UNKNOWN: 404,
  PROCESSOR_UNKNOWN: 404,
  VIEW_UNKNOWN: 404,
  VERSION_FROZEN: 409,
  NOT_CAUGHT_UP: 409,
  ILLEGAL_STATE: 409,
  CUTOVER_IN_PROGRESS: 409,
  REVISION_CONFLICT: 409,
  DECLARATION_CONFLICT: 409,
  NOT_LEADER: 503,
  NOT_SERVING: 503,
  BROKER_UNREACHABLE: 503,
  KAFKA_FAILED: 503,
};

/** The HTTP status with which an error leaves the controller; 500 for what nobody could have caused from outside. */
export function httpStatusOf(code: ErrorCode): number {
  return byCode[code] ?? 500;
}
