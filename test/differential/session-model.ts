/** A contribution to a session window, in the order of its task. */
export interface SessionInput {
  readonly key: string;
  readonly seq: number;
  readonly c: number;
  readonly atMs: number;
}

export interface SessionRules {
  readonly gapMs: number;
  readonly graceMs: number;
  /** 0: none. */
  readonly throttleMs: number;
  /** Order "event-time": what is due fires with its own time as the clock. */
  readonly inTimeOrder: boolean;
  readonly emit: "final" | "end" | "change" | "none";
}

/** A turn of the task: the watermark from it on, and what its record reads. */
export interface SessionStep {
  readonly seq: number;
  readonly watermarkMs: number;
  /** null: a turn without a record. */
  readonly key: string | null;
  readonly readAtMs: number;
}

/** One answer of a session window: an emission, or what `current` found. */
export interface SessionAnswer {
  readonly what: "window" | "read";
  readonly key: string;
  readonly instance: number;
  readonly start: number;
  readonly stop: number;
  readonly final: boolean;
  readonly revision: number;
  readonly cause: number;
  readonly phase: 0 | 1 | 2;
  readonly due: number;
  readonly members: readonly SessionInput[];
}

export interface SessionOutcome {
  readonly answers: readonly SessionAnswer[];
  readonly late: readonly SessionInput[];
}

interface Open {
  instance: number;
  readonly key: string;
  first: number;
  last: number;
  members: SessionInput[];
  revision: number;
  /** Members of the last emission. */
  emitted: number;
  emittedAtMs: number;
  changed: boolean;
}

/** Sessions of one window by the guide, step by step: which contributions are together depends on what was open when each came. */
export function runSessions(rules: SessionRules, steps: readonly SessionStep[], inputs: readonly SessionInput[]): SessionOutcome {
  const { gapMs, graceMs, emit, throttleMs, inTimeOrder } = rules;
  const answers: SessionAnswer[] = [];
  const late: SessionInput[] = [];
  let open: Open[] = [];
  let made = 0;
  let at = 0;
  const newSession = (key: string, atMs: number): Open => {
    const nothing = { members: [], revision: 0, emitted: 0, emittedAtMs: Number.NEGATIVE_INFINITY, changed: false };
    return { instance: made++, key, first: atMs, last: atMs, ...nothing };
  };
  const answer = (session: Open, step: SessionStep, phase: 0 | 2, due: number): void => {
    const stop = session.last + gapMs;
    const clockMs = inTimeOrder && phase === 0 ? due : step.watermarkMs;
    answers.push({
      what: "window",
      key: session.key,
      instance: session.instance,
      start: session.first,
      stop,
      final: clockMs >= stop + graceMs,
      revision: ++session.revision,
      cause: step.seq,
      phase,
      due,
      members: [...session.members],
    });
    session.emitted = session.members.length;
    session.emittedAtMs = clockMs;
  };
  /** The watermark at which a session is emitted next, as far as is known. */
  const dueOf = (session: Open): number => {
    const stop = session.last + gapMs;
    if (emit === "final") return stop + graceMs;
    if (emit === "none" || session.emitted === session.members.length) return Number.POSITIVE_INFINITY;
    const notBefore = session.emittedAtMs + throttleMs;
    return Math.min(stop + graceMs, emit === "end" ? Math.max(stop, notBefore) : notBefore);
  };
  /** Its start is no session's any more: what was said of it is withdrawn. */
  const vanish = (session: Open, step: SessionStep): void => {
    if (session.revision === 0) return;
    answers.push({
      what: "window",
      key: session.key,
      instance: session.instance,
      start: session.first,
      stop: session.last + gapMs,
      final: true,
      revision: session.revision + 1,
      cause: step.seq,
      phase: 2,
      due: Number.NEGATIVE_INFINITY,
      members: [],
    });
  };

  for (const step of steps) {
    const { watermarkMs } = step;
    for (const session of open) {
      const due = dueOf(session);
      if (due <= watermarkMs) answer(session, step, 0, due);
    }
    open = open.filter((session) => session.last + gapMs + graceMs > watermarkMs);

    for (; at < inputs.length && (inputs[at] as SessionInput).seq === step.seq; at++) {
      const input = inputs[at] as SessionInput;
      const touched = open
        .filter((s) => s.key === input.key && input.atMs >= s.first - gapMs && input.atMs <= s.last + gapMs)
        .sort((a, b) => a.first - b.first);
      if (touched.length === 0 && input.atMs + gapMs + graceMs <= watermarkMs) {
        late.push(input);
        continue;
      }
      let [session] = touched;
      if (session === undefined || input.atMs < session.first) open.push((session = newSession(input.key, input.atMs)));
      for (const joined of touched) {
        if (joined === session) continue;
        vanish(joined, step);
        session.members.push(...joined.members);
        session.last = Math.max(session.last, joined.last);
        open.splice(open.indexOf(joined), 1);
      }
      session.members.push(input);
      session.last = Math.max(session.last, input.atMs);
      session.changed = true;
    }

    if (step.key === null) continue;
    const read = open.find((s) => s.key === step.key && s.first <= step.readAtMs && step.readAtMs < s.last + gapMs);
    answers.push({
      what: "read",
      key: step.key,
      instance: -1,
      start: 0,
      stop: 0,
      final: false,
      revision: 0,
      cause: step.seq,
      phase: 1,
      due: 0,
      members: [...(read?.members ?? [])],
    });

    for (const session of open.filter((s) => s.changed).sort((a, b) => a.first - b.first)) {
      session.changed = false;
      if (emit !== "final" && dueOf(session) <= watermarkMs) answer(session, step, 2, session.last + gapMs);
    }
  }
  return { answers, late };
}
