-- What is derived from the tables; made again whenever they change.

-- Every version of (asset, pack, portfolio): a ledger row for itself, or a unit of one that covers many portfolios, whose
-- `input_hashes` are those of its own portfolio alone; the others stand in its ledger row.
create or replace view versions as
select id as materialization, asset, pack_id, portfolio_id, input_hashes, content_hash, rows, cells, null as told
from materializations where not starts_with(cells, '{"materialization_units"')
union all by name
select materialization, asset, pack_id, portfolio_id, input_hashes, content_hash, rows, cells, told
from materialization_units;

-- The price rows up to a watermark (all, where it is null) that were not withdrawn since. Of several of one symbol, date
-- and source the newest counts. Everything that reads believed prices reads them here.
create or replace macro believed_prices(mark) as table
select p.* from prices p anti join (
    select symbol, date, source, ingest_seq from prices where withdrawn and (mark is null or ingest_seq <= mark)
) w on p.symbol = w.symbol and p.date = w.date and p.source = w.source and p.ingest_seq < w.ingest_seq
where p.withdrawn is null and (mark is null or p.ingest_seq <= mark);

-- The newest statement of each corporate action up to a watermark (all, where it is null), whichever source made it; none
-- of those that were withdrawn. Every reader of what happened to shares reads it here.
create or replace macro stated_actions(mark) as table
select * from (
    from corporate_actions where mark is null or ingest_seq <= mark
    qualify row_number() over (partition by symbol, date, kind order by ingest_seq desc) = 1
) where withdrawn is null;

-- Which source tells a symbol's prices, and from which day to which: the most preferred one, and where it stops the
-- next that goes on. `how`: first; joined (it tells the same close on the day of the seam, on the same basis and in the
-- same currency); alone (it does not, and the other stopped over a week before: all prices are its own); unused (it
-- does not, and the other may only be late).
create or replace macro pack_sources(until, mark, preferred, wanted) as table
with told as (
    select symbol, source, list_position(preferred, source) as preference, min(date) as oldest, max(date) as newest,
        arg_max(basis, (date, ingest_seq)) as basis, arg_max(currency, (date, ingest_seq)) as currency
    from believed_prices(mark)
    where date <= until and list_contains(preferred, source)
        and (wanted is null or list_contains(wanted, symbol))
    group by symbol, source
), later as (
    select * from told qualify newest > coalesce(max(newest) over (
        partition by symbol order by preference rows between unbounded preceding and 1 preceding), date '0001-01-01')
), pairs as (
    select *, lag(source) over seams as before, lag(newest) over seams as seam,
        basis = lag(basis) over seams and currency = lag(currency) over seams as alike
    from later window seams as (partition by symbol order by preference)
), closes as (
    select p.symbol, p.source, p.date, arg_max(p.close, p.ingest_seq) as close
    from believed_prices(mark) p
        join pairs k on p.symbol = k.symbol and p.date = k.seam and p.source in (k.source, k.before)
    group by all
), judged as (
    select k.*, here.close / there.close - 1 as gap,
        case when k.before is null then 'first' when alike and abs(gap) <= 0.01 then 'joined'
            when k.newest - k.seam > 7 then 'alone' else 'unused' end as how
    from pairs k left join closes here on here.symbol = k.symbol and here.source = k.source and here.date = k.seam
        left join closes there on there.symbol = k.symbol and there.source = k.before and there.date = k.seam
), used as (
    select * from judged where how <> 'unused' qualify preference >= coalesce(
        max(preference) filter (how = 'alone') over (partition by symbol), 0)
)
select symbol, source, how, before, seam, gap, oldest, newest,
    case when how = 'joined' then lag(newest) over (partition by symbol order by preference) + 1
        else date '0001-01-01' end as first_day, newest as last_day
from used
union all
select symbol, source, how, before, seam, gap, oldest, newest, null, null from judged where how = 'unused';

-- What a pack saw: of each symbol the source of that day, of each date the newest row up to the watermark.
-- adj_close is a total-return index anchored at the newest close.
create or replace macro pack_prices(pack) as table
with bound as (
    select as_of, watermark_seq, from_json(precedence, '["varchar"]') as precedence from pricing_packs where pack_id = pack
), sources as (
    select * from pack_sources((select as_of from bound), (select watermark_seq from bound),
        (select precedence from bound), null)
), seen as (
    select p.* from believed_prices((select watermark_seq from bound)) p join sources s
        on p.symbol = s.symbol and p.source = s.source and p.date between s.first_day and s.last_day, bound b
    where p.date <= b.as_of
    qualify row_number() over (partition by p.symbol, p.date order by p.ingest_seq desc) = 1
), chosen as (
    select *, (close * split + dividend) / lag(close) over (partition by symbol order by date) as growth from seen
)
select pack as pack_id, symbol, date, open, high, low, close, volume, dividend, split,
    last_value(close) over (partition by symbol order by date rows between unbounded preceding and unbounded following)
    / coalesce(product(growth) over (partition by symbol order by date rows between 1 following and unbounded following), 1)
        as adj_close,
    vendor_adj_close, currency, basis, source, simulated, known_at, ingest_seq
from chosen;

-- Accounts as known up to a date and a watermark. A row that was withdrawn since does not count; of each key the newest
-- word does, of each account the newest day.
create or replace macro known_accounts(until, mark) as table
with said as (
    from accounts where date <= until and ingest_seq <= mark
    qualify row_number() over (partition by account, date order by ingest_seq desc) = 1
)
from said where withdrawn is null qualify row_number() over (partition by account order by date desc) = 1;

-- What an account's base currency was, from a day (null: always) up to the next word, and what it is now.
create or replace macro account_bases(day, mark) as table
with said as (
    from accounts where date <= day and ingest_seq <= mark
    qualify row_number() over (partition by account, date order by ingest_seq desc) = 1
)
select account, case when lag(date) over days is not null then date end as start, lead(date) over days as until,
    coalesce(base_currency, 'USD') as base,
    first(coalesce(base_currency, 'USD')) over (partition by account order by date desc) as now
from said where withdrawn is null window days as (partition by account order by date);

create or replace macro known_positions(until, mark) as table
with said as (
    from account_positions where date <= until and ingest_seq <= mark
), back as (
    select account, symbol, date, lot, ingest_seq from said where withdrawn
), told as (
    select s.* from said s anti join back b on s.account = b.account and s.symbol = b.symbol and s.date = b.date
        and s.lot = b.lot and s.ingest_seq < b.ingest_seq
    where s.withdrawn is null
), newest as (
    select account, max(date) as date from told group by account
)
select t.* from told t join newest n on t.account = n.account and t.date = n.date
qualify row_number() over (partition by t.account, t.symbol, t.lot order by t.ingest_seq desc) = 1;

create or replace macro known_flows(until, mark) as table
with said as (
    from account_flows where date <= until and ingest_seq <= mark
    qualify row_number() over (partition by account, date, reference order by ingest_seq desc) = 1
)
from said where withdrawn is null;

create or replace macro known_restrictions(day, mark) as table
with said as (
    from account_restrictions where date <= day and ingest_seq <= mark
    qualify row_number() over (partition by account, symbol, kind, date order by ingest_seq desc) = 1
), newest as (
    from said where withdrawn is null qualify row_number() over (partition by account, symbol, kind order by date desc) = 1
)
from newest n where n.until is null or n.until >= day;

-- Positions, flows and restrictions set aside that nobody has told again or taken back, by their key or in the same file:
-- without them an account is worth something else, or may do what it may not. Positions of a later day overtake those
-- before, and the flows up to it. A row whose day cannot be read is of the newest positions that it came upon. Of a
-- restriction any word counts, and of its file the newest: what is told again unchanged leaves no row.
-- A key is told whole: `part` is a position's lot (one told without lots stands for each), a flow's reference (without one,
-- a flow whose day cannot be read has no key), a restriction's kind (where that is the fault, any kind of a later file).
-- `raw` has it, as CSV.
create or replace macro rows_set_aside(until, mark) as table
with deliveries as (
    select log, payload_name, delivery_key, min(ingest_seq) as first_seq, max(ingest_seq) as ingest_seq from ingests
    where source = 'accounts' and status = 'ingested' and ingest_seq <= mark group by log, payload_name, delivery_key
), aside as (
    select q.*, d.payload_name, d.delivery_key, d.first_seq,
        regexp_extract_all(q.raw, '("(?:[^"]|"")*"|[^,]*)(?:,|$)', 1) as cells,
        cells[case q.log when 'account_positions' then 4 else 3 end] as cell,
        trim(case when cell[1] = '"' then replace(cell[2:-2], '""', '"') else cell end) as part
    from quarantine q join deliveries d on q.ingest_seq = d.ingest_seq and q.log = d.log
    where q.account is not null and q.log <> 'accounts' and q.code <> 'DUPLICATE_SAME'
        and (q.date is null or q.date <= until) and (q.log <> 'account_restrictions' or not exists (
            select 1 from deliveries l
            where l.log = q.log and l.payload_name = d.payload_name and l.ingest_seq > d.ingest_seq))
), told as (
    select 'account_positions' as log, account, date, symbol, lot as part, ingest_seq from account_positions
    union all select 'account_flows', account, date, null, reference, ingest_seq from account_flows
    union all select 'account_restrictions', account, date, symbol, kind, ingest_seq from account_restrictions
), again as (
    select q.log, q.account, q.line, q.ingest_seq from aside q
        join told t on q.log = t.log and q.account = t.account and t.ingest_seq <= mark
            and (q.date is null or q.date = t.date)
        join ingests i on t.ingest_seq = i.ingest_seq and t.log = i.log and i.delivery_key <> q.delivery_key
    where (t.ingest_seq > q.first_seq or q.log = 'account_restrictions') and (i.payload_name = q.payload_name
        or case q.log when 'account_positions' then upper(q.symbol) = t.symbol and t.part in (q.part, '')
            when 'account_flows' then t.part = q.part and (q.date is not null or q.part <> '')
            else upper(q.symbol) = t.symbol and (t.part = q.part or q.code = 'BAD_KIND' and t.ingest_seq > q.first_seq) end)
), stood as (
    select account, max(date) as date from known_positions(until, mark) group by account
), before as (
    select q.account, q.ingest_seq, max(p.date) as date from aside q join account_positions p
        on q.account = p.account and p.ingest_seq <= q.ingest_seq and q.date is null group by all
)
select q.account, q.log, q.date, q.symbol, q.reason from aside q
    anti join again t on q.log = t.log and q.account = t.account and q.line = t.line and q.ingest_seq = t.ingest_seq
    left join stood s on q.account = s.account
    left join before b on q.account = b.account and q.ingest_seq = b.ingest_seq
where s.date is null or case q.log when 'account_positions' then coalesce(q.date, b.date, s.date) >= s.date
    when 'account_flows' then coalesce(q.date > s.date, b.date >= s.date, true) else true end;
