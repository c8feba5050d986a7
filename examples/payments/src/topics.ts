// What both versions read.
import { json, key, s, table, topic } from "reprise";

export const card = key("card", s.string);
const merchant = key("merchant", s.string);

const Payment = s.record("Payment", { id: s.string, at: s.timestamp, merchant: s.string, amount: s.double });
const Merchant = s.record("Merchant", { limit: s.double });

export const payments = topic("payments", { key: card, value: json(Payment), time: (payment) => payment.at, outOfOrder: "30s" });
/** The largest amount that is usual at a merchant. */
export const merchants = table("merchants", { key: merchant, value: json(Merchant) });
