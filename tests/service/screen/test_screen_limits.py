"""What the sidebar asks: the policy with what sliders, numbers and words say, and which answer it belongs to."""

from screen_api import ASKED, BOOK, NEW, OLD, POLICY, Api, number, on, run


def test_the_sidebar_stands_at_the_policy_and_offers_only_fresh_packs(api: Api) -> None:
    page = run()
    packs, portfolios, methods = page.sidebar.selectbox
    assert packs.options == [NEW, OLD] and portfolios.options == ["book", "other"]
    assert (
        methods.options == ["mean_variance", "risk_parity", "max_sharpe", "cvar", "hrp"]
        and methods.value == "cvar"
    )
    assert [(s.label, s.min, s.max, s.value, s.step) for s in page.sidebar.slider] == [
        ("Minimum Quality Score", 0.0, 10.0, 6.0, 0.5), ("Maximum Turnover %", 0.0, 200.0, 40.0, 5.0),
        ("Maximum Position %", 1.0, 100.0, 30.0, 1.0), ("Maximum Sector %", 1.0, 100.0, 50.0, 1.0),
        ("Maximum Share of Risk %", 1.0, 100.0, 100.0, 1.0), ("Days of history", 63.0, 1260.0, 126.0, 21.0),
    ]  # fmt: skip
    assert page.caption[0].value == f"book under {NEW}, in USD: 2 symbols"
    assert page.info[0].value.startswith("Choose the limits on the left")
    assert api.asked == []


def test_what_is_asked_is_the_policy_with_what_the_sliders_say(api: Api) -> None:
    page = run()
    page.button[0].click().run()
    assert api.asked[-1] == (
        "policy_rebalance", {"portfolio_id": "book", "pricing_pack_id": NEW, "constraints": ASKED},
    )  # fmt: skip
    page.sidebar.selectbox[1].select("other").run()
    assert page.info[0].value.startswith("Choose the limits")  # the answer was another portfolio's
    page.button[0].click().run()
    free = {
        "method": "hrp", "min_quality_score": None, "max_turnover_pct": None, "max_single_position_pct": None,
        "max_sector_pct": None, "max_risk_share_pct": None, "lookback_days": 252, "limits": [],
    }  # fmt: skip
    assert api.asked[-1][1] == {"portfolio_id": "other", "pricing_pack_id": NEW, "constraints": free}
    page.sidebar.selectbox[0].select(OLD).run()
    assert page.info[0].value.startswith("Choose the limits")


def test_a_book_that_may_be_short_is_asked_its_borrow_fee(api: Api) -> None:
    assert "Borrow Fee %" not in [slider.label for slider in run().sidebar.slider]
    api.portfolios = [BOOK | {"policy": POLICY | {"long_only": False, "borrow_fee_pct": 0.5}}]
    page = run()
    assert (page.sidebar.slider[-1].label, page.sidebar.slider[-1].value) == ("Borrow Fee %", 0.5)
    page.sidebar.slider[-1].set_value(2.0).run()
    page.button[0].click().run()
    assert api.asked[-1][1]["constraints"]["borrow_fee_pct"] == 2.0


def test_an_answer_to_other_limits_is_grey_until_it_is_asked_again(api: Api) -> None:
    page = on("Trades")
    assert page.button[0].label == "Generate Rebalance Trades" and not page.warning
    number(page, "Maximum Turnover %, exact").set_value(12.5).run()
    assert page.button[0].label == "Generate again"
    assert page.warning[0].value == (
        "What is grey answers other limits than those on the left: *Generate again*.\n\n"
        "- Maximum Turnover % was 40 and is 12.5"
    )
    assert page.get("download_button")[0].proto.disabled
    page.session_state["tab"] = "Frontier"
    page.run()
    asked = api.asked[-1][1]
    assert asked["constraints"]["max_turnover_pct"] == 12.5 and "weights" not in asked
    page.button[0].click().run()
    assert api.asked[-2][1]["constraints"] == ASKED | {"max_turnover_pct": 12.5}
    assert page.button[0].label == "Generate Rebalance Trades" and not page.warning[1:]


def test_going_back_to_the_limits_of_an_answer_brings_it_back(api: Api) -> None:
    page = on("Trades")
    number(page, "Maximum Sector %, exact").set_value(55.0).run()
    assert page.warning
    number(page, "Maximum Sector %, exact").set_value(50.0).run()
    assert not page.warning and page.button[0].label == "Generate Rebalance Trades"


def test_a_slider_and_its_number_say_the_same_and_the_number_is_exact(api: Api) -> None:
    api.portfolios = [BOOK | {"policy": POLICY | {"max_turnover_pct": 250.0, "lookback_days": 1500}}]
    page = run()
    slider = page.sidebar.slider[1]
    assert (slider.value, number(page, "Maximum Turnover %, exact").value) == (200.0, 250.0)
    page.button[0].click().run()
    asked = api.asked[-1][1]["constraints"]
    assert (asked["max_turnover_pct"], asked["lookback_days"]) == (250.0, 1500)
    page.sidebar.slider[1].set_value(35.0).run()
    assert number(page, "Maximum Turnover %, exact").value == 35.0
    page.sidebar.slider[1].set_value(200.0).run()
    assert number(page, "Maximum Turnover %, exact").value is None
    number(page, "Days of history, exact").set_value(None).run()
    page.button[0].click().run()
    asked = api.asked[-1][1]["constraints"]
    assert (asked["max_turnover_pct"], asked["lookback_days"]) == (None, 252)


def test_each_method_is_asked_for_what_it_alone_needs(api: Api) -> None:
    page = run()
    assert number(page, "Tail level").value == 0.95
    page.sidebar.selectbox[2].select("risk_parity").run()
    assert [box.label for box in page.sidebar.text_area] == ["Risk budgets %", "Limits in words"]
    page.sidebar.text_area[0].set_value("AAA 60\nBBB: 40 %\n").run()
    page.button[0].click().run()
    assert api.asked[-1][1]["constraints"]["risk_budgets_pct"] == {"AAA": 60.0, "BBB": 40.0}
    page.sidebar.text_area[0].set_value("AAA much").run()
    assert page.error[0].value == (
        "Risk budgets %: 'AAA much' is no name with a percentage; write it as in SPY 40"
    )
    page.sidebar.selectbox[2].select("mean_variance").run()
    assert [box.label for box in page.sidebar.selectbox[3:]] == ["Doubt"]


def test_limits_are_written_in_words_a_line_each(api: Api) -> None:
    api.portfolios = [BOOK | {"policy": POLICY | {"limits": ["AAA <= 20%"]}}]
    page = run()
    [words] = page.sidebar.text_area
    assert words.value == "AAA <= 20%"
    words.set_value("risk:AAA <= 30%\n\n active:size >= -0.1 ").run()
    number(page, "Maximum Share of Risk %, exact").set_value(40.0).run()
    page.button[0].click().run()
    asked = api.asked[-1][1]["constraints"]
    assert (
        asked["limits"] == ["risk:AAA <= 30%", "active:size >= -0.1"] and asked["max_risk_share_pct"] == 40.0
    )


def test_what_another_method_cannot_count_is_left_out_and_told(api: Api) -> None:
    own = {"method": "mean_variance", "l2_penalty": 0.1, "doubt": "diagonal"}
    api.portfolios = [BOOK | {"policy": own}]
    page = run()
    assert not page.sidebar.caption
    page.sidebar.selectbox[2].select("hrp").run()
    assert page.sidebar.caption[0].value == "hrp cannot count L2 penalty: left out here."
    page.button[0].click().run()
    assert "l2_penalty" not in api.asked[-1][1]["constraints"]


def test_among_many_portfolios_one_searches(api: Api) -> None:
    api.portfolios = [BOOK | {"name": f"account-{number:03}"} for number in range(120)]
    page = run()
    assert page.sidebar.caption[0].value == "the first 50 of 120 portfolios"
    assert len(page.sidebar.selectbox[1].options) == 50
    page.sidebar.text_input[0].set_value("-11").run()
    assert page.sidebar.caption[0].value == "10 that match, of 120"
    assert page.sidebar.selectbox[1].options == [f"account-{number:03}" for number in range(110, 120)]
    page.sidebar.text_input[0].set_value("nobody").run()
    assert "No portfolio of" in page.sidebar.info[0].value
