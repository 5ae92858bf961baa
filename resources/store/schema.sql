-- The tables of a new warehouse. A change here needs a numbered file in `migrations/` that makes it in old ones.
-- Every table is append-only; `resources/store/ledger.py` chains each write.
-- The logs carry `ingest_seq`, every other table `materialization`: both are the id of the ledger row that wrote them.

-- The logs -------------------------------------------------------------------------------------------------------
create table prices (
    symbol varchar not null, date date not null,
    open double check (open is null or (isfinite(open) and open > 0)),
    high double check (high is null or (isfinite(high) and high > 0)),
    low double check (low is null or (isfinite(low) and low > 0)),
    close double not null check (isfinite(close) and close > 0),
    volume bigint check (volume is null or volume >= 0),
    dividend double not null check (isfinite(dividend) and dividend >= 0),
    split double not null check (isfinite(split) and split > 0),
    vendor_adj_close double,
    currency varchar not null, basis varchar not null, source varchar not null, simulated boolean not null,
    known_at date, ingest_seq bigint not null, row_hash blob not null,
    withdrawn boolean
);
create table corporate_actions (
    symbol varchar not null, date date not null, kind varchar not null, value double, currency varchar, note varchar,
    source varchar not null, ingest_seq bigint not null, row_hash blob not null, new_symbol varchar, cash double,
    cash_in_lieu double, basis_share double, withdrawn boolean
);
create table securities (
    symbol varchar not null, date date not null, name varchar, sector varchar, currency varchar not null,
    exchange varchar, kind varchar, simulated boolean not null, note varchar,
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table market_caps (
    symbol varchar not null, date date not null, market_cap double not null check (isfinite(market_cap) and market_cap > 0),
    currency varchar not null, source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table ratings (
    symbol varchar not null, date date not null, rating double not null check (isfinite(rating)),
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table fx_rates (
    base varchar not null, quote varchar not null, date date not null, rate double not null check (isfinite(rate) and rate > 0),
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table risk_free_rates (
    currency varchar not null, date date not null, rate double not null check (isfinite(rate)), note varchar,
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table macro_series (
    series varchar not null, date date not null, known_at date not null,
    value double not null check (isfinite(value)),
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
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
create table characteristics (
    symbol varchar not null, date date not null, name varchar not null, known_at date not null,
    value double not null check (isfinite(value)),
    source varchar not null, ingest_seq bigint not null, row_hash blob not null
);
create table log_leaves (
    log varchar not null, date date not null, rows bigint not null, hash varchar not null, vendor_hash varchar,
    ingest_seq bigint not null
);
create table ingests (
    ingest_seq bigint not null, source varchar not null, log varchar not null, payload_name varchar not null,
    payload_sha256 varchar not null, delivery_key varchar not null, payload_path varchar, known_at date,
    status varchar not null,
    rows_new bigint not null, rows_corrected bigint not null, rows_same bigint not null, rows_quarantined bigint not null,
    message varchar
);
create table quarantine (
    ingest_seq bigint not null, log varchar not null, source varchar not null, symbol varchar, date date,
    line bigint, code varchar not null, reason varchar not null, raw varchar, account varchar
);

create table decisions (
    line_sha256 varchar not null, "at" timestamp not null, caller varchar not null, trace_id varchar not null,
    pack_id varchar not null, portfolio_id varchar not null, policy_hash varchar not null, method varchar not null,
    constraints_met boolean not null, estimated_costs double not null, trades varchar not null,
    ingest_seq bigint not null
);

-- The record of every write --------------------------------------------------------------------------------------
create table materializations (
    id bigint not null, asset varchar not null, pack_id varchar, portfolio_id varchar, run_id varchar not null,
    "at" timestamp not null, code_version varchar not null, config_hash varchar not null, input_hashes varchar not null,
    content_hash varchar not null, rows bigint not null, cells varchar not null, previous_hash varchar not null,
    this_hash varchar not null
);
create table materialization_units (
    pack_id varchar not null, portfolio_id varchar not null, asset varchar not null, input_hashes varchar not null,
    content_hash varchar not null, rows bigint not null, cells varchar not null, materialization bigint not null,
    told varchar
);
create table configs (config_hash varchar not null, text varchar not null, materialization bigint not null);
create table check_findings (
    pack_id varchar, code varchar not null, severity varchar not null, symbol varchar, date date, value double,
    message varchar not null, materialization bigint not null
);

-- Packs and what is computed from them ---------------------------------------------------------------------------
create table pricing_packs (
    pack_id varchar not null, as_of date not null, watermark_seq bigint not null, revision integer not null,
    supersedes varchar, reason varchar, verdict varchar not null check (verdict in ('fresh', 'rejected')),
    symbols bigint not null, rows bigint not null, precedence varchar not null, content_hash varchar not null,
    created_at timestamp not null, run_id varchar not null, materialization bigint not null,
    quality double
);
create table portfolio_snapshots (
    pack_id varchar not null, portfolio_id varchar not null, name varchar not null, mode varchar not null,
    base_currency varchar not null, holdings_date date, cash decimal(18, 4), policy varchar not null,
    views varchar not null, benchmark varchar not null, universe varchar not null, problem varchar,
    materialization bigint not null, model varchar
);
create table holdings ( -- written with portfolio_snapshots
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, quantity double not null,
    cost_basis double, materialization bigint not null
);
create table tax_lots ( -- written with portfolio_snapshots
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, lot_id varchar not null,
    quantity double not null check (quantity > 0), cost_basis double not null, acquired date not null,
    materialization bigint not null, held_since date
);
create table holding_adjustments ( -- written with portfolio_snapshots
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, date date not null,
    kind varchar not null, lot_id varchar, quantity double not null, cash decimal(18, 4) not null,
    proceeds decimal(18, 4), cost_basis decimal(18, 4), acquired date, long_term boolean, late boolean not null,
    note varchar not null, materialization bigint not null
);
create table return_estimates (
    pack_id varchar not null, recipe varchar not null, symbol varchar not null, expected_return double,
    volatility double, observations integer, simulated boolean, materialization bigint not null
);
create table covariances (
    pack_id varchar not null, recipe varchar not null, symbol varchar not null, "values" double[], recipe_text varchar,
    covariance_hash varchar, materialization bigint not null
);
create table factor_exposures ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, symbol varchar not null, factor varchar not null,
    exposure double not null, materialization bigint not null
);
create table factor_returns ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, date date not null, factor varchar not null,
    "return" double not null, materialization bigint not null
);
create table factor_covariances ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, factor varchar not null, other varchar not null,
    covariance double not null, factor_group varchar not null, sequence integer not null,
    materialization bigint not null
);
create table specific_risks ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, symbol varchar not null, volatility double not null,
    variance double not null, observations integer not null, estimation boolean not null,
    materialization bigint not null
);
create table factor_model_quality ( -- written with factor_model
    pack_id varchar not null, recipe varchar not null, measure varchar not null, factor varchar not null,
    value double, note varchar, materialization bigint not null
);
create table posterior_returns (
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, prior_return double,
    posterior_return double, posterior_volatility double, simulated boolean, materialization bigint not null,
    spanned_return double, own_return double
);
create table regimes (
    pack_id varchar not null, regime varchar not null, score double not null, detected boolean not null,
    materialization bigint not null
);
create table regime_drivers ( -- written with regimes
    pack_id varchar not null, series varchar not null, date date, known_at date, value double, z_score double,
    points bigint not null, problem varchar, materialization bigint not null
);
create table optimal_weights (
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, weight double not null,
    current_weight double, lower double, upper double, risk_contribution double, binding varchar, simulated boolean,
    materialization bigint not null
);
create table optimization_results ( -- written with optimal_weights
    pack_id varchar not null, portfolio_id varchar not null, method varchar not null, status varchar not null,
    reason varchar, objective double, expected_return double, volatility double, sharpe double, notional double,
    cash double, turnover double, constraints_met boolean, warnings varchar, certificate varchar, solver varchar,
    diagnostics varchar, materialization bigint not null
);
create table portfolio_exposures ( -- written with optimal_weights
    pack_id varchar not null, portfolio_id varchar not null, exposure_type varchar not null, amount double not null,
    materialization bigint not null
);
create table trades (
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null,
    action varchar not null check (action in ('BUY', 'SELL', 'HOLD')), quantity double not null check (quantity >= 0),
    price double not null, value decimal(18, 4) not null, cost decimal(18, 4) not null, rationale varchar not null,
    current_quantity double not null, target_quantity double not null, current_weight double, target_weight double,
    achieved_weight double, currency varchar, local_price double, fx_rate double, simulated boolean, sequence integer,
    numbers varchar, materialization bigint not null,
    short_term_gain decimal(18, 4), long_term_gain decimal(18, 4), tax decimal(18, 4)
);
create table trade_lists ( -- written with trades
    pack_id varchar not null, portfolio_id varchar not null, nav_before decimal(18, 4), nav_after decimal(18, 4),
    cash_before decimal(18, 4), cash_after decimal(18, 4), bought decimal(18, 4), sold decimal(18, 4),
    costs decimal(18, 4), cost_bps double, turnover double, turnover_two_way double, tracking_error double, gap double,
    constraints_met boolean, constraints varchar, warnings varchar, materialization bigint not null,
    short_term_gain decimal(18, 4), long_term_gain decimal(18, 4), tax decimal(18, 4)
);
create table lot_sales ( -- written with trades
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, lot_id varchar not null,
    quantity double not null check (quantity > 0), proceeds decimal(18, 4) not null, cost_basis decimal(18, 4) not null,
    gain decimal(18, 4) not null, long_term boolean not null, acquired date not null, materialization bigint not null,
    disallowed decimal(18, 4)
);
create table trade_schedule ( -- written with trades
    pack_id varchar not null, portfolio_id varchar not null, symbol varchar not null, day integer not null,
    action varchar not null check (action in ('BUY', 'SELL')), quantity double not null check (quantity >= 0),
    left_quantity double not null, days integer not null, daily_volume double not null, participation double not null,
    remaining_risk double not null, materialization bigint not null
);
create table impact (
    pack_id varchar not null, portfolio_id varchar not null, metric varchar not null, current double, post double,
    delta double, materialization bigint not null
);
create table factor_risks ( -- written with impact
    pack_id varchar not null, portfolio_id varchar not null, side varchar not null, basis varchar not null,
    kind varchar not null, part varchar not null, factor_group varchar, exposure double, contribution double not null,
    materialization bigint not null
);
create table tail_risk (
    pack_id varchar not null, portfolio_id varchar not null, book varchar not null, method varchar not null,
    level double not null, horizon_days integer not null, value_at_risk double not null,
    expected_shortfall double not null, scenarios integer not null, "value" double not null,
    materialization bigint not null
);
create table held_returns ( -- written with tail_risk
    pack_id varchar not null, portfolio_id varchar not null, previous_pack varchar not null, sessions integer not null,
    kind varchar not null, part varchar not null, factor_group varchar, exposure double, "return" double not null,
    money double not null, materialization bigint not null
);
create table scenario_losses ( -- written with hedges
    pack_id varchar not null, portfolio_id varchar not null, scenario_id varchar not null, profit double not null,
    standard_error double not null, replayed bigint not null, hedge_offset double not null, hedge_cost double not null,
    residual_loss double not null, note varchar, materialization bigint not null
);
create table hedges (
    pack_id varchar not null, portfolio_id varchar not null, scenario_id varchar not null, instrument varchar not null,
    instrument_type varchar, action varchar, option_type varchar, notional double, hedge_ratio double,
    expected_offset_pct double, rationale varchar, materialization bigint not null, sequence integer, strike double,
    expiry date, quantity bigint, exposure double, expected_offset double, standard_error double, estimated_cost double
);
create table backtest_results (
    pack_id varchar not null, portfolio_id varchar not null, strategy varchar not null, date date not null,
    nav double not null, "return" double, turnover double, cost double, drawdown double, simulated boolean,
    materialization bigint not null
);
create table backtest_summary ( -- written with backtest_results
    pack_id varchar not null, portfolio_id varchar not null, strategy varchar not null, metric varchar not null,
    value double, simulated boolean, materialization bigint not null
);
create table backtest_attribution ( -- written with backtest_results
    pack_id varchar not null, portfolio_id varchar not null, strategy varchar not null, breakdown varchar not null,
    part varchar not null, effect varchar not null, contribution double not null, simulated boolean,
    materialization bigint not null
);
create table backtest_weights ( -- written with backtest_results
    pack_id varchar not null, portfolio_id varchar not null, strategy varchar not null, date date not null,
    symbol varchar not null, weight double not null, simulated boolean, materialization bigint not null
);
create table backtest_factors ( -- written with backtest_results
    pack_id varchar not null, portfolio_id varchar not null, strategy varchar not null, date date not null,
    part varchar not null, factor_group varchar not null, exposure double, benchmark_exposure double,
    contribution double not null, benchmark double not null, standard_error double not null,
    active_error double not null, simulated boolean, materialization bigint not null
);
