-- Macro series and regimes, what the service proposed, and the quality score of a pack; packs cut before have none.
create table macro_series (
    series varchar not null, date date not null, known_at date not null,
    value double not null check (isfinite(value)),
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table decisions (
    line_sha256 varchar not null, "at" timestamp not null, caller varchar not null, trace_id varchar not null,
    pack_id varchar not null, portfolio_id varchar not null, policy_hash varchar not null, method varchar not null,
    constraints_met boolean not null, estimated_costs double not null, trades varchar not null,
    ingest_seq bigint not null
);
create table regimes (
    pack_id varchar not null, regime varchar not null, score double not null, detected boolean not null,
    materialization bigint not null
);
create table regime_drivers ( -- written with regimes
    pack_id varchar not null, series varchar not null, date date, known_at date, value double, z_score double,
    points bigint not null, problem varchar, materialization bigint not null
);
alter table pricing_packs add column quality double;
