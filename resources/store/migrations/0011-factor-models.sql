-- Characteristics of companies as known on the day, and the factor models that packs are made of.
create table characteristics (
    symbol varchar not null, date date not null, name varchar not null, known_at date not null,
    value double not null check (isfinite(value)),
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table factor_exposures ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, symbol varchar not null, factor varchar not null,
    exposure double not null, materialization bigint not null
);
create table factor_returns ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, date date not null, factor varchar not null,
    "return" double not null, materialization bigint not null
);
create table factor_covariances ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, factor varchar not null, other varchar not null,
    covariance double not null, factor_group varchar not null, sequence integer not null,
    materialization bigint not null
);
create table specific_risks ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, symbol varchar not null, volatility double not null,
    variance double not null, observations integer not null, estimation boolean not null,
    materialization bigint not null
);
create table factor_model_quality ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, measure varchar not null, factor varchar not null,
    value double, note varchar, materialization bigint not null
);
