-- What is derived from the tables; made again whenever they change.

-- What a pack saw: of each symbol the preferred source, of each date the newest row up to the watermark.
-- adj_close is a total-return index anchored at the newest close.
create or replace macro pack_prices(pack) as table
with bound as (
    select as_of, watermark_seq, from_json(precedence, '["varchar"]') as precedence from pricing_packs where pack_id = pack
), seen as (
    select p.*, list_position(b.precedence, p.source) as preference from prices p, bound b
    where p.date <= b.as_of and p.ingest_seq <= b.watermark_seq and list_contains(b.precedence, p.source)
    qualify row_number() over (partition by symbol, date, source order by ingest_seq desc) = 1 and withdrawn is null
), chosen as (
    select *, (close * split + dividend) / lag(close) over (partition by symbol order by date) as growth
    from (select * from seen qualify preference = min(preference) over (partition by symbol))
)
select pack as pack_id, symbol, date, open, high, low, close, volume, dividend, split,
    last_value(close) over (partition by symbol order by date rows between unbounded preceding and unbounded following)
    / coalesce(product(growth) over (partition by symbol order by date rows between 1 following and unbounded following), 1)
        as adj_close,
    vendor_adj_close, currency, basis, source, simulated, known_at, ingest_seq
from chosen;
