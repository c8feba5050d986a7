/** In the place of an event type's handler: its body is not decoded, its time counts. Equal across copies of this package. */
export const ignore: unique symbol = Symbol.for("reprise.ignore");
