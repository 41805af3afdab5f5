"""Each deviation that docs/promises.md lists is shown by a test, or has a reason why not."""

import re

from tests.support.clusters import CHECKOUT

NOT_SHOWN = {
    "D11": "it is one of the library's synchronous worker, which does not run here",
}


def test_each_listed_deviation_is_pinned_by_a_test_or_has_a_reason_not_to_be() -> None:
    listed = re.findall(r"^\| (D\d+) \|", (CHECKOUT / "docs" / "promises.md").read_text("utf-8"), re.MULTILINE)
    calls = [
        call
        for path in (CHECKOUT / "tests").rglob("test_*.py")
        for call in re.findall(r"\bpins\(([^)]*)\)", path.read_text("utf-8"))
    ]
    pinned = set(re.findall(r'"(D\d+)"', " ".join(calls)))
    assert len(listed) >= 14
    assert pinned | NOT_SHOWN.keys() == set(listed)
    assert not pinned & NOT_SHOWN.keys()
