"""The squeezing of the tracker. What the tracker does is tested in a browser, on the squeezed form."""

import re

import pytest

from ingestion.tracker import GZIPPED_LIMIT, gzipped, source, squeezed


def test_the_tracker_fits_its_limit() -> None:
    assert len(gzipped()) <= GZIPPED_LIMIT


def test_nothing_is_left_that_only_a_reader_needs() -> None:
    assert not re.search(rb"^\s*//|\n|  ", source(), re.MULTILINE)


def test_outermost_names_become_letters_and_all_else_stays() -> None:
    script = """
(() => {
  // Waits.
  const patience = 5;
  let waited = () => patience + "for it";
  return {
    left: waited,
  };
})();
"""
    assert squeezed(script) == (
        '(()=>{const a=5;let b=()=>a+"for it";return{left:b,}})();'
    )


@pytest.mark.parametrize("use", ["other.wait();", '"wait";', "({ wait: 1 });"])
def test_a_name_with_a_second_use_stops_the_squeezing(use: str) -> None:
    with pytest.raises(ValueError, match="'wait' is used for more"):
        squeezed(f"  const wait = 1;\n  {use}")
