-- What a book may lose, and what the book held under the pack before earned since.
create table tail_risk (
    pack_id varchar not null, portfolio_id varchar not null, book varchar not null, method varchar not null,
    level double not null, horizon_days integer not null, value_at_risk double not null,
    expected_shortfall double not null, scenarios integer not null, "value" double not null,
    materialization bigint not null
);
create table held_returns ( -- written with tail_risk
    pack_id varchar not null, portfolio_id varchar not null, previous_pack varchar not null, sessions integer not null,
    kind varchar not null, part varchar not null, factor_group varchar, exposure double, "return" double not null,
    money double not null, materialization bigint not null
);
