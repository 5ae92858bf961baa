-- What factors explain of an expected return, and the rest; empty where a pack has no factor model.
alter table posterior_returns add column spanned_return double;
alter table posterior_returns add column own_return double;
