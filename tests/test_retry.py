"""What is tried again, how often, and until when."""

import threading
import time
from collections.abc import Callable

import pytest

from streamaug.errors import CorruptError, FetchError
from streamaug.retry import RetryPolicy, ShortReadError, is_transient, range_of

FAST = RetryPolicy(deadline_s=60, attempts=4, first_wait_s=0.001, longest_wait_s=0.002)


class Failing:
    """Fails with an error so many times, then succeeds."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "done"


def test_an_error_that_passes_is_tried_again_until_it_has_passed() -> None:
    action = Failing(ConnectionResetError("reset"), 3)
    assert FAST.run("a.tar: reading", action) == "done"
    assert action.calls == 4


def test_the_last_error_names_operation_tries_reason_and_remedy() -> None:
    with pytest.raises(FetchError, match=r"^a.tar: reading failed after 4 tries: ConnectionResetError: reset; check the connection$"):
        FAST.run("a.tar: reading", Failing(ConnectionResetError("reset"), 9), remedy=lambda _: "check the connection")


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (PermissionError("denied"), FetchError, r"^a.tar: reading failed: PermissionError: denied$"),
        (FileNotFoundError("a.tar"), FileNotFoundError, "a.tar"),
        (CorruptError("cut off"), CorruptError, "cut off"),
    ],
)
def test_an_error_that_does_not_pass_is_not_tried_again(error: Exception, raised: type[Exception], message: str) -> None:
    action = Failing(error, 9)
    with pytest.raises(raised, match=message):
        FAST.run("a.tar: reading", action)
    assert action.calls == 1


def test_no_try_begins_after_the_deadline() -> None:
    action = Failing(ConnectionResetError(), 10**6)
    begun = time.monotonic()
    with pytest.raises(FetchError):
        RetryPolicy(deadline_s=0.2, first_wait_s=0.01, longest_wait_s=0.02).run("a.tar: reading", action)
    assert 0.2 <= time.monotonic() - begun < 30
    assert action.calls > 1


def test_a_cancelled_operation_ends_its_wait() -> None:
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    policy = RetryPolicy(deadline_s=600, first_wait_s=300, longest_wait_s=300)
    begun = time.monotonic()
    with pytest.raises(FetchError):
        policy.run("a.tar: reading", Failing(ConnectionResetError(), 10**6), cancelled=cancelled)
    assert time.monotonic() - begun < 60


def with_status(status: int) -> Exception:
    error = OSError("refused")
    error.status = status  # type: ignore[attr-defined]  # as aiohttp's errors have it
    return error


def caused(cause: Exception) -> Exception:
    error = FileNotFoundError("size unknown")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (with_status(503), True),
        (with_status(429), True),
        (with_status(404), False),
        (with_status(501), False),
        (caused(with_status(503)), True),
        (caused(with_status(404)), False),
        (TimeoutError(), True),
        (NotADirectoryError(), False),
    ],
)
def test_what_passes_is_decided_by_kind_and_status(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


def test_an_answer_that_is_too_short_is_tried_again_and_a_whole_file_is_cut() -> None:
    answers = iter([b"a", b"ab", b"xxabyy"])
    action: Callable[[], bytes] = lambda: range_of(next(answers), 2, 4)  # noqa: E731  a name for its type
    assert FAST.run("a.tar: reading", action) == b"ab"
    assert range_of(b"xxabyy", 2, 4) == b"ab"
    with pytest.raises(ShortReadError, match="received 1 bytes instead of 2"):
        range_of(b"a", 2, 4)
