-- Where a backtest's return came from; backtests made before have no rows.
create table backtest_attribution ( -- written with backtest_results
    pack_id varchar not null, portfolio_id varchar not null, strategy varchar not null, breakdown varchar not null,
    part varchar not null, effect varchar not null, contribution double not null, simulated boolean,
    materialization bigint not null
);
