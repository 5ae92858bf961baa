-- Risk by factor and name before and after the trades, and what each factor added to a backtest's days.
create table factor_risks ( -- written with impact
    pack_id varchar not null, portfolio_id varchar not null, side varchar not null, basis varchar not null,
    kind varchar not null, part varchar not null, factor_group varchar, exposure double, contribution double not null,
    materialization bigint not null
);
create table backtest_factors ( -- written with backtest_results
    pack_id varchar not null, portfolio_id varchar not null, strategy varchar not null, date date not null,
    part varchar not null, factor_group varchar not null, exposure double, benchmark_exposure double,
    contribution double not null, benchmark double not null, standard_error double not null,
    active_error double not null, simulated boolean, materialization bigint not null
);
