-- What a policy held after each of its trades in a backtest; backtests made before have no rows.
create table backtest_weights ( -- written with backtest_results
    pack_id varchar not null, portfolio_id varchar not null, strategy varchar not null, date date not null,
    symbol varchar not null, weight double not null, simulated boolean, materialization bigint not null
);
