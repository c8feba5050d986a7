export { type ErrorCode, type ErrorEntry, errorTable } from "./errors/error-table.ts";
export { type ErrorDetails, RepriseError } from "./errors/reprise-error.ts";
