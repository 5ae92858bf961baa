-- What mergers, spin-offs and renames state besides a number; actions stated before have none of it.
alter table corporate_actions add column new_symbol varchar;
alter table corporate_actions add column cash double;
alter table corporate_actions add column cash_in_lieu double;
alter table corporate_actions add column basis_share double;
