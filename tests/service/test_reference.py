"""The API's page says what the code does."""

import re

from source_tree import ROOT

from service.http.describe import page


def test_the_page_is_the_one_the_models_write() -> None:
    written = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    assert written == page(), "run: python -m service.http.describe > docs/reference/api.md"


def test_every_link_of_the_page_has_its_heading() -> None:
    text = page()
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= headings
