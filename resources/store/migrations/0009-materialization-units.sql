-- One ledger row for all portfolios of a stage, and a row for each of them; ledger rows written before name their own.
create table materialization_units (
    pack_id varchar not null, portfolio_id varchar not null, asset varchar not null, input_hashes varchar not null,
    content_hash varchar not null, rows bigint not null, cells varchar not null, materialization bigint not null
);
