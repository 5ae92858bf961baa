"""The shapes of all answers: the one source of names for the service, the API, the screen and the docs.

`_pct` is 0-100, `_bps` basis points, everything else a fraction, rates per year; money is in the portfolio's base
currency, Decimal in Python and a number in JSON; NaN (not known) is null in JSON.
"""
