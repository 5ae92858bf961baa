-- A price row that is no longer believed is withdrawn by a new row; rows written before were never withdrawn.
alter table prices add column withdrawn boolean;
