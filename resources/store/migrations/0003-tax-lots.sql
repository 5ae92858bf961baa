-- Tax lots, what sales realise of them, and the tax on it; rows written before have no gain and no tax.
create table tax_lots ( -- written with portfolio_snapshots
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, lot_id varchar not null,
    quantity double not null check (quantity > 0), cost_basis double not null, acquired date not null,
    materialization bigint not null
);
create table lot_sales ( -- written with trades
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, lot_id varchar not null,
    quantity double not null check (quantity > 0), proceeds decimal(18, 4) not null, cost_basis decimal(18, 4) not null,
    gain decimal(18, 4) not null, long_term boolean not null, acquired date not null, materialization bigint not null
);
alter table trades add column short_term_gain decimal(18, 4);
alter table trades add column long_term_gain decimal(18, 4);
alter table trades add column tax decimal(18, 4);
alter table trade_lists add column short_term_gain decimal(18, 4);
alter table trade_lists add column long_term_gain decimal(18, 4);
alter table trade_lists add column tax decimal(18, 4);
