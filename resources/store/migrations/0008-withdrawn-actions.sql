-- A corporate action of any kind is taken back by a new row; actions stated before were never withdrawn.
alter table corporate_actions add column withdrawn boolean;
