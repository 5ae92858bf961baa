-- What changed a paper or live book's holdings besides its trades; books before have no rows.
create table holding_adjustments ( -- written with portfolio_snapshots
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, date date not null,
    kind varchar not null, lot_id varchar, quantity double not null, cash decimal(18, 4) not null,
    proceeds decimal(18, 4), cost_basis decimal(18, 4), acquired date, long_term boolean, late boolean not null,
    note varchar not null, materialization bigint not null
);
alter table tax_lots add column held_since date;
alter table lot_sales add column disallowed decimal(18, 4);
