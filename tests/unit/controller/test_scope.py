"""What is keyed by a UID dies with it, in one place."""

from __future__ import annotations

from skillmeat_operator.controller.scope import Scopes


class First(set[str]):
    def forget(self, uid: str) -> None:
        self.discard(uid)


class Second(First):
    pass


def test_all_parts_forget_and_until_then_it_can_be_told_who_remembers() -> None:
    first, second = First({"a", "b"}), Second({"a"})
    scopes = Scopes(first, second)
    assert scopes.holders("a") == ["First", "Second"]
    scopes.close("a")
    scopes.close("never seen")
    assert (scopes.holders("a"), scopes.holders("b")) == ([], ["First"])
