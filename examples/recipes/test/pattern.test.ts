import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import suspiciousLogins from "../src/pattern.ts";

const minuteMs = 60_000;

interface Login {
  readonly account: string;
  readonly at: number;
  readonly ok: boolean;
}

/** By the definition: a success right before which, in time, there are three failures less than five minutes ago. */
function suspicionsOf(logins: readonly Login[]): { key: string; value: { firstFailure: number; success: number } }[] {
  const found: { key: string; value: { firstFailure: number; success: number } }[] = [];
  for (const account of new Set(logins.map((login) => login.account))) {
    const own = logins.filter((login) => login.account === account).sort((a, b) => a.at - b.at);
    own.forEach((login, i) => {
      const before = own.slice(Math.max(0, i - 3), i);
      if (!login.ok || before.length < 3 || before.some(({ ok }) => ok)) return;
      const firstFailure = (before[0] as Login).at;
      if (login.at - firstFailure < 5 * minuteMs) found.push({ key: account, value: { firstFailure, success: login.at } });
    });
  }
  return found.sort((a, b) => a.value.success - b.value.success);
}

test("three failures and then a success within five minutes are found, in whatever order they come", () => {
  const random = new Random(8);
  const used = new Set<number>();
  const made = Array.from({ length: 1_500 }, () => {
    let at = random.below(10 * 60 * 60_000);
    while (used.has(at)) at++;
    used.add(at);
    return { login: { account: `a-${random.below(6)}`, at, ok: random.chance(0.3) }, comes: at + random.below(30_000) };
  });
  const logins = made.sort((a, b) => a.comes - b.comes).map(({ login }) => login);
  const t = testProcessor(suspiciousLogins);
  for (const { account, ...login } of logins) t.when.logins(account, login, login.at);
  t.when.timePasses(21 * 60 * minuteMs);
  const expected = suspicionsOf(logins);
  expect(expected.length).toBeGreaterThan(10);
  expect(t.then.suspicions().map(({ key, value }) => ({ key, value }))).toEqual(expected);
  t.checkReplay();
});

test("what is five minutes ago does not count, nor do failures before another success", () => {
  const t = testProcessor(suspiciousLogins);
  const login = (account: string, minutes: readonly number[], ok: boolean): void => {
    for (const minute of minutes) t.when.logins(account, { at: minute * minuteMs, ok }, minute * minuteMs);
  };
  login("slow", [0, 1, 2], false);
  login("slow", [5], true);
  login("fast", [6, 7, 8], false);
  login("fast", [10.9], true);
  login("mixed", [11, 12], false);
  login("mixed", [12.1], true);
  login("mixed", [12.2], false);
  login("mixed", [12.3], true);
  t.when.timePasses(20 * minuteMs);
  expect(t.then.suspicions()).toMatchObject([{ key: "fast", value: { firstFailure: 6 * minuteMs, success: 10.9 * minuteMs } }]);
});
