-- What a reader must hear of a portfolio: why it has no rows, or a warning; versions written before say nothing.
alter table materialization_units add column told varchar;
