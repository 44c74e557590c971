from __future__ import annotations

import threading

import pytest

from generation.threads import in_order, share


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_every_part_is_done_once(count: int, threads: int) -> None:
    done = [0] * count

    def work(first: int, last: int) -> None:
        for index in range(first, last):
            done[index] += 1

    share(count, threads, work)
    assert done == [1] * count
    assert list(in_order(count, threads, lambda number: number * number)) == [
        number * number for number in range(count)
    ]


def test_threads_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)
    assert sorted(in_order(2, 2, lambda number: both.wait())) == [0, 1]


def test_an_error_comes_out_where_its_result_would() -> None:
    def work(number: int) -> int:
        return 1 // (1 - number)

    results = in_order(3, 2, work)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
