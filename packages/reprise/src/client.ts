export {
  connect,
  type ConnectOptions,
  type IndexView,
  type MapView,
  type PageOptions,
  type ReadOptions,
  type Row,
  type ValueView,
  type ViewOf,
  type ViewsOf,
  type WindowView,
} from "@reprise/client";
export { type ErrorCode, RepriseError } from "@reprise/schema";
