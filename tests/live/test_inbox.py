"""The bounded queue: what goes when it is full, and who is woken."""

from __future__ import annotations

import random
import threading
from collections import Counter

from waggle.sync.live.inbox import ITEM_BYTES, SENDERS_MAX, Inbox

Item = tuple[str, int]


class Box(Inbox[Item]):
    """An inbox that counts who was woken and what was dropped."""

    def __init__(self, items: int) -> None:
        self.woken = 0
        self.gone: list[Item] = []
        super().__init__(bytes_max=items * ITEM_BYTES, wake=self._count, discard=self.gone.append)

    def _count(self) -> None:
        self.woken += 1

    def say(self, sender: str, *numbers: int) -> None:
        for number in numbers:
            self.put(sender, (sender, number), 0)


def test_senders_take_turns_and_each_keeps_its_order() -> None:
    box = Box(10)
    box.say("a", 1, 2, 3)
    box.say("b", 1)
    assert box.take(10) == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]


def test_a_flood_crowds_out_itself_and_keeps_a_run_without_gaps() -> None:
    box = Box(6)
    box.say("quiet", 1, 2)
    box.say("loud", *range(1, 101))
    box.say("quiet", 3)
    taken = box.take(100)
    assert [number for sender, number in taken if sender == "quiet"] == [1, 2, 3]
    assert [number for sender, number in taken if sender == "loud"] == [1, 2, 3]
    assert box.dropped == len(box.gone) == 97


def test_large_messages_count_by_their_bytes() -> None:
    box = Box(4)
    box.say("a", 1, 2)
    box.put("b", ("b", 1), 3 * ITEM_BYTES)
    assert box.take(10) == [("a", 1), ("a", 2)]
    assert box.gone == [("b", 1)]


def test_one_that_is_larger_than_all_there_may_be_is_dropped_and_wakes_nobody() -> None:
    box = Box(4)
    box.put("a", ("a", 1), 4 * ITEM_BYTES)
    assert (box.take(1), box.woken, box.dropped) == ([], 0, 1)


def test_names_are_no_way_to_the_front() -> None:
    box = Box(10 * SENDERS_MAX)
    for number in range(3 * SENDERS_MAX):
        box.say(f"name {number}", 1)
    box.say("late", 1)
    turns = Counter(sender for sender, _ in box.take(SENDERS_MAX + 1))
    assert len(turns) == SENDERS_MAX + 1  # the shared queue had one turn
    assert box.dropped == 0


def test_it_wakes_once_until_nothing_is_left() -> None:
    box = Box(10)
    box.say("a", 1, 2, 3)
    assert (box.woken, len(box.take(2))) == (1, 2)
    box.say("a", 4)
    assert (box.woken, len(box.take(10)), box.take(10)) == (1, 2, [])
    box.say("a", 5)
    assert box.woken == 2


def test_nothing_is_lost_or_doubled_between_threads() -> None:
    box, taken = Box(50), list[Item]()
    senders = [
        threading.Thread(target=box.say, args=(name, *range(2000))) for name in ("a", "b", "c")
    ]
    for thread in senders:
        thread.start()
    while any(thread.is_alive() for thread in senders):
        taken += box.take(7)
    taken += box.take(10_000)
    assert sorted(taken + box.gone) == sorted((n, i) for n in "abc" for i in range(2000))
    for name in "abc":
        numbers = [number for sender, number in taken if sender == name]
        assert numbers == sorted(numbers)


def test_it_never_holds_more_than_it_may_and_accounts_for_everything() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    box, came, taken = Box(20), 0, 0
    for _ in range(3000):
        came += 1
        box.put(chance.choice("abcdef"), ("x", came), chance.randrange(4 * ITEM_BYTES))
        if chance.random() < 0.1:
            taken += len(box.take(chance.randrange(20)))
    left = len(box.take(came))
    assert left <= 20, seed
    assert came == taken + left + box.dropped, seed
