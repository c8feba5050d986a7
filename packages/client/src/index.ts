export { connect, type ConnectOptions } from "./connect.ts";
export type { IndexView, MapView, PageOptions, ReadOptions, Row, ValueView, ViewOf, ViewsOf, WindowView } from "./views.ts";
