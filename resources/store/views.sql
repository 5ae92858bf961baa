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

-- Positions set aside that nobody has corrected or taken back, nor overtaken by those of a later day: without them an
-- account is worth something else.
create or replace macro positions_set_aside(until, mark) as table
with last as (
    select max(ingest_seq) as ingest_seq from ingests
    where log = 'account_positions' and ingest_seq <= mark group by delivery_key
), stood as (
    select account, max(date) as date from known_positions(until, mark) group by account
)
select q.account, q.date, q.symbol, q.reason from quarantine q semi join last l on q.ingest_seq = l.ingest_seq
    left join stood s on q.account = s.account
where q.log = 'account_positions' and q.code <> 'DUPLICATE_SAME' and q.date <= until and q.account is not null
    and (s.date is null or q.date >= s.date) and not exists (
        select 1 from account_positions p where p.account = q.account and p.date = q.date
            and p.ingest_seq > q.ingest_seq and p.ingest_seq <= mark);
