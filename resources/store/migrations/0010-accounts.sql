-- Accounts, what they hold, money in and out, and what they may not do; rows set aside name their account.
create table accounts (
    account varchar not null, date date not null, name varchar, model varchar, base_currency varchar,
    cash_buffer double check (cash_buffer is null or (isfinite(cash_buffer) and cash_buffer >= 0)),
    tax_status varchar, closed boolean, withdrawn boolean,
    source varchar not null, ingest_seq bigint not null, row_hash blob not null,
    valid_from date generated always as (date)
);
create table account_positions (
    account varchar not null, symbol varchar not null, date date not null, lot varchar not null,
    quantity double check (quantity is null or isfinite(quantity)), cost_basis double, acquired date, withdrawn boolean,
    source varchar not null, ingest_seq bigint not null, row_hash blob not null,
    as_of date generated always as (date)
);
create table account_flows (
    account varchar not null, date date not null, reference varchar not null,
    amount double check (amount is null or isfinite(amount)), currency varchar, note varchar, withdrawn boolean,
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table account_restrictions (
    account varchar not null, symbol varchar not null, kind varchar not null, date date not null, until date,
    reason varchar, withdrawn boolean,
    source varchar not null, ingest_seq bigint not null, row_hash blob not null,
    valid_from date generated always as (date)
);
alter table quarantine add column account varchar;
alter table portfolio_snapshots add column model varchar;
