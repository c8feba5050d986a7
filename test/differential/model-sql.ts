// docs/guide/event-time.md as SQL. Tables that are given, with one row of `spec` per window of a case:
//   spec(cs, win, name, kind, size, step, per, zone, grace, keep, emit, throttle, topn, unmatched)     program(cs, d, ordering)
//   rec(cs, input, off, t)     contribution(cs, input, off, c, key, ts, x, item, side)     lookup(cs, input, off, key, ts)
// Times are epoch ms. `cs` numbers the case, `seq` a record's place in the order of its task, `c` a contribution's within its record.

/** The grid: the largest multiple of `m` that is not above `t`, also before 1970. */
export const macros = `
  create or replace macro grid(t, m) as t - ((t % m) + m) % m;
  create or replace macro local(t, zone) as timezone(zone, timezone('UTC', epoch_ms(t)));
  create or replace macro instant(l, zone) as epoch_ms(timezone(zone, l));
  -- Where clocks go back over midnight it comes twice, and DuckDB takes the second: the day begins with the first.
  create or replace macro begins(l, zone) as case when local(instant(l, zone) - 3600000, zone) >= l then instant(l, zone) - 3600000 else instant(l, zone) end;
  create or replace macro zoned_start(t, per, zone) as begins(date_trunc(per, local(t, zone)), zone);
  create or replace macro zoned_end(t, per, zone) as
    begins(date_trunc(per, local(t, zone)) + case per when 'day' then interval 1 day when 'week' then interval 7 day else interval 1 month end, zone);`;

/**
 * The turns of a task. Order "log": each record in the order of arrival, by the largest time so far in its input, then by input; `w` is the watermark. Order
 * "event-time": arrivals move the watermark in the same order; records up to it have their turns by (time, input, offset), with their own time
 * as the clock; one that comes behind has it at once; then the clock is the watermark, in a turn without a record. What is due has its own
 * time as the clock, too.
 */
const flow = `
  create or replace temp table arrival as
    with merged as (select *, max(t) over (partition by cs, input order by off) as merge_time from rec),
    placed as (select *, row_number() over (partition by cs order by merge_time, input, off) as seq from merged),
    timed as (select *, max(t) over (partition by cs order by seq) as st from placed join program using (cs))
    select *, st - d as w, lag(st - d) over (partition by cs order by seq) as w_before from timed;
  create or replace temp table reached as select cs, w, min(seq) as seq from arrival group by cs, w;
  create or replace temp table flow as
    with released as (
      select a.cs, a.input, a.off, case when a.t <= a.w then a.seq else reached.seq end as turn, false as tick, greatest(a.t, coalesce(a.w_before, a.t)) as clock
      from arrival a asof left join reached on a.cs = reached.cs and a.t <= reached.w where a.ordering = 'event-time'),
    turns as (
      select * from released where turn is not null
      union all select cs, -1, seq, seq, true, w from arrival where ordering = 'event-time'),
    in_turn as (select *, row_number() over (partition by cs order by turn, tick, clock, input, off) as seq from turns)
    select cs, input, off, seq, st, w, input as cause_input, off as cause_off from arrival where ordering = 'log'
    union all
    select t.cs, t.input, t.off, t.seq, clock, clock, a.input, a.off from in_turn t join arrival a on t.cs = a.cs and t.turn = a.seq;
  create or replace temp table step as select cs, w, min(seq) as seq from flow group by cs, w;`;

/** Each contribution in each window that holds it. 'counted' and 'late' split it by the watermark at its arrival. */
const instances = `
  create or replace temp table placed as
    select contribution.*, seq, w from contribution join flow using (cs, input, off);
  create or replace temp table instance as
    with used as (select * from placed join spec using (cs) where kind <> 'session'),
    bounded as (
      select *, grid(ts, size) as start, grid(ts, size) + size as stop from used where kind = 'tumbling'
      union all
      select *, unnest(generate_series(grid(ts, step) - (size - 1 - (ts - grid(ts, step))) // step * step, grid(ts, step), step)) as start, start + size as stop
        from used where kind in ('hopping', 'rolling')
      union all
      select *, zoned_start(ts, per, zone) as start, zoned_end(ts, per, zone) as stop from used where kind = 'calendar'
      union all
      select *, -8640000000000000 as start, 8640000000000000 as stop from used where kind = 'global')
    select * from bounded;
  create or replace temp table counted as select * from instance where w < stop + grace;
  create or replace temp table life as
    select cs, win, emit, throttle, key, start, stop, grace, min(seq) as first_seq from counted group by all;`;

/** When each window is given to its handler: at record `cause`, before (phase 0) or after (2) that record's handler, with contributions up to `upto`. */
const emissions = `
  create or replace temp table emission as
    with final as (
      select life.*, step.seq as cause, 0 as phase, stop + grace as due, step.seq - 1 as upto
      from life asof join step on life.cs = step.cs and life.stop + life.grace <= step.w where emit = 'final'),
    ended as (select life.*, step.seq as end_seq from life asof join step on life.cs = step.cs and life.stop <= step.w where emit = 'end'),
    at_end as (select * exclude (end_seq), end_seq as cause, 0 as phase, stop as due, end_seq - 1 as upto from ended where first_seq < end_seq),
    corrected as (
      select distinct e.* exclude (end_seq), c.seq as cause, 2 as phase, e.stop as due, c.seq as upto
      from ended e join counted c on e.cs = c.cs and e.win = c.win and e.key = c.key and e.start = c.start and c.seq >= e.end_seq),
    changed as (
      select distinct l.*, c.seq as cause, 2 as phase, l.stop as due, c.seq as upto
      from life l join counted c on l.cs = c.cs and l.win = c.win and l.key = c.key and l.start = c.start where l.emit = 'change')
    select cs, win, throttle, key, start, stop, grace, cause, phase, due, upto
    from (select * from final union all select * from at_end union all select * from corrected union all select * from changed);`;

/** What `current` finds: the open window that holds the time, or the one that begins last among them. */
const reads = `
  create or replace temp table reading as
    with used as (select lookup.*, seq, w, spec.* exclude (cs) from lookup join flow using (cs, input, off) join spec using (cs) where kind <> 'session'),
    bounded as (
      select *, grid(ts, size) as start, start + size as stop from used where kind = 'tumbling'
      union all select *, grid(ts, step) as start, start + size as stop from used where kind = 'hopping'
      union all select *, grid(ts, step) + step - size as start, start + size as stop from used where kind = 'rolling'
      union all select *, zoned_start(ts, per, zone) as start, zoned_end(ts, per, zone) as stop from used where kind = 'calendar'
      union all select *, -8640000000000000 as start, 8640000000000000 as stop from used where kind = 'global')
    select cs, win, key, start, seq as cause, seq as upto, w < stop + grace + coalesce(keep, 0) as open from bounded;`;

/** Joins: what waits when it comes or is late, the pairs of what waits, and what is left of it. */
const joins = `
  create or replace temp table side as
    select p.*, win, size, unmatched, ts + size + 1 + grace as over from placed p join spec using (cs) where kind = 'join';
  create or replace temp table waiting as select * from side where w < over;
  create or replace temp table pair as
    with near as (
      select l.cs, l.win, l.key, l.ts as left_ts, r.ts as right_ts, l.input as left_input, l.off as left_off, l.c as left_c,
        r.input as right_input, r.off as right_off, r.c as right_c, l.seq as left_seq, r.seq as right_seq,
        l.seq > r.seq or (l.seq = r.seq and l.c > r.c) as left_later, case when left_later then l.w < r.over else r.w < l.over end as met
      from waiting l join waiting r on l.cs = r.cs and l.win = r.win and l.key = r.key and l.side = 'left' and r.side = 'right'
        and r.ts between l.ts - l.size and l.ts + l.size)
    select *, case when left_later then left_seq else right_seq end as cause from near where met;
  create or replace temp table alone as
    with unpaired as (
      select * from waiting where unmatched in (side, 'both')
        and not exists (select 1 from pair where pair.cs = waiting.cs and pair.win = waiting.win and (
          (side = 'left' and left_input = input and left_off = off and left_c = c) or (side = 'right' and right_input = input and right_off = off and right_c = c))))
    select u.*, step.seq as cause from unpaired u asof join step on u.cs = step.cs and u.over <= step.w;`;

export const schedule = `${flow}${instances}${emissions}${reads}${joins}`;

/** In the order of `added` (the contribution of the record), then of the other one, or of the one alone. */
export const joinRows = `
  with said as (
    select cs, win, key, least(left_ts, right_ts) as start, greatest(left_ts, right_ts) + 1 as stop, greatest(left_ts, right_ts) as moment, cause, 2 as phase, 0 as due,
      concat_ws('/', left_input, left_off, left_c) as l, concat_ws('/', right_input, right_off, right_c) as r,
      case when left_later then left_c else right_c end as added, case when left_later then right_ts else left_ts end as other_ts,
      case when left_later then right_seq else left_seq end as other_seq, case when left_later then right_c else left_c end as other_c
    from pair
    union all
    select cs, win, key, ts, ts + 1, ts + size, cause, 0, over,
      case side when 'left' then concat_ws('/', input, off, c) end, case side when 'right' then concat_ws('/', input, off, c) end, 0, ts, seq, c from alone)
  select s.cs::double as cs, win::double as win, s.key, start::double as start, stop::double as stop, moment::double as moment, cause::double as cause,
    phase::double as phase, due::double as due, l, r, added::double as added, other_ts::double as other_ts, other_seq::double as other_seq, other_c::double as other_c, cause_input::double as input,
    cause_off::double as off, case when ordering = 'event-time' and phase = 0 then due else st end::double as st
  from said s join flow f on s.cs = f.cs and s.cause = f.seq join program p on s.cs = p.cs`;

/** Throttled emissions and sessions are made by models of their own, from these. */
export const sessionInput = `
  select cs, win, key, seq, c, ts::double as ts from placed join spec using (cs) where kind = 'session' order by cs, win, seq, c`;
export const throttleInput = `
  select cs::double as cs, win::double as win, key, start::double as start, stop::double as stop, grace::double as grace, throttle::double as throttle,
    cause::double as cause, phase::double as phase, due::double as due, upto::double as upto
  from emission where throttle is not null order by cs, win, key, start, cause, phase`;

/**
 * All answers: emissions and reads with their results. The models of their own have filled
 * `own_emission(eid, cs, win, key, instance, start, stop, final, revision, cause, phase, due)` and `own_member(eid, seq, c)`,
 * and `throttled` with rows like those of `emission`.
 */
export const answers = `
  create or replace temp table wanted as
    with scheduled as (select * from emission where throttle is null union all select * from throttled)
    select row_number() over () as eid, 'window' as what, s.cs, win, key, start as instance, start, stop, case when ordering = 'event-time' and phase = 0 then due else f.w end >= stop + grace as final,
      row_number() over (partition by s.cs, win, key, start order by cause, phase) as revision, cause, phase, due, upto
    from scheduled s join flow f on s.cs = f.cs and s.cause = f.seq join program p on s.cs = p.cs
    union all
    select -row_number() over () as eid, 'read', cs, win, key, start, null, null, false, 0, cause, 1, win, case when open then upto else 0 end from reading;
  create or replace temp table member as
    select eid, c.cs, c.win, c.seq, c.c, c.ts, c.x, c.item from wanted join counted c
      on wanted.cs = c.cs and wanted.win = c.win and wanted.key = c.key and wanted.instance = c.start and c.seq <= wanted.upto
    union all
    select eid, o.cs, o.win, p.seq, p.c, p.ts, p.x, p.item from own_emission o join own_member m using (eid)
      join placed p on p.cs = o.cs and p.seq = m.seq and p.c = m.c;
  create or replace temp table answer as
    select eid, count(*) as n, coalesce(sum(x), 0) as sum, min(x) as min, max(x) as max, avg(x) as mean, var_pop(x) as variance, stddev_pop(x) as stddev,
      list_sort(list(x) filter (x is not null)) as sorted,
      string_agg(item, '' order by seq, c) as joined, count(item) as items, coalesce(sum(substr(item, 2)::int), 0) as item_sum,
      first(item order by ts, seq, c) filter (item is not null) as first, last(item order by ts, seq, c) filter (item is not null) as last,
      count(distinct item) as different
    from member group by eid;
  create or replace temp table ranking as
    with summed as (
      select eid, cs, win, item, sum(x) as weight from member where item is not null and x is not null group by all),
    ranked as (select *, row_number() over (partition by eid order by weight desc, item) as rank from summed)
    select eid, to_json(list(struct_pack(item, by := weight) order by rank)) as top from ranked join spec using (cs, win) where rank <= topn group by eid;
  create or replace temp table every_answer as
    select eid, what, cs, win, key, instance, start, stop, final, revision, cause, phase, due from wanted
    union all
    select eid, what, cs, win, key, instance, start, stop, final, revision, cause, phase, due from own_emission;`;

/** \`lo\` and \`hi\`: the values between which a percentile may lie, by whichever of the usual definitions of its rank. */
const bound = (p: number): string =>
  `sorted[floor(${p} * (len(sorted) - 1))::int + 1] as lo${String(p).slice(2)}, sorted[greatest(1, ceil(${p} * len(sorted)))::int] as hi${String(p).slice(2)}`;

export const answerRows = `
  select e.cs::double as cs, win::double as win, what, key, instance::double as instance, start::double as start, stop::double as stop, final, revision::double as revision,
    cause::double as cause, phase::double as phase, due::double as due, cause_input::double as input, cause_off::double as off,
    case when ordering = 'event-time' and phase = 0 then due else st end::double as st, coalesce(n, 0)::double as n, coalesce(sum, 0) as sum, min, max, mean, variance, stddev, coalesce(joined, '') as joined, coalesce(items, 0)::double as items,
    coalesce(item_sum, 0)::double as item_sum, first, last, coalesce(different, 0)::double as different, coalesce(top, '[]')::varchar as top,
    ${[0.5, 0.95, 0.999].map(bound).join(", ")}
  from every_answer e join flow f on e.cs = f.cs and e.cause = f.seq join program p on e.cs = p.cs left join answer using (eid) left join ranking using (eid)
  order by cs, cause, phase, due, what desc, win`;

/** Contributions to windows that are closed, window by window. */
export const lateRows = `
  select i.cs::double as cs, win::double as win, i.key, start::double as start, stop::double as stop, cause_input::double as input, cause_off::double as off, c::double as c,
    f.seq::double as cause, st::double as st, i.input::double as from_input, i.off::double as from_off
  from instance i join flow f on i.cs = f.cs and i.seq = f.seq where i.w >= stop + grace
  union all
  select s.cs::double, win::double, s.key, ts::double, ts + 1::double, cause_input::double, cause_off::double, c::double, f.seq::double, st::double, s.input::double, s.off::double
  from side s join flow f on s.cs = f.cs and s.seq = f.seq where s.w >= over`;
