-- The days that orders take under a policy's limit on participation; lists made before have no rows.
create table trade_schedule ( -- written with trades
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, day integer not null,
    action varchar not null check (action in ('BUY', 'SELL')), quantity double not null check (quantity >= 0),
    left_quantity double not null, days integer not null, daily_volume double not null, participation double not null,
    remaining_risk double not null, materialization bigint not null
);
