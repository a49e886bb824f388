"""Repetitions of librdkafka's log lines are kept to one in a while."""

import logging

from shared.kafka.quiet import OncePerWhile


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("librdkafka", logging.WARNING, "f", 1, text, None, None)


def test_line_that_differs_in_numbers_only_is_written_once() -> None:
    once = OncePerWhile(60)

    assert once.filter(line("connect to 127.0.0.1:9092 failed after 3 ms"))
    assert not once.filter(line("connect to 127.0.0.1:9092 failed after 17 ms"))
    assert once.filter(line("session timed out after 10009 ms"))


def test_line_is_written_again_after_the_while() -> None:
    once = OncePerWhile(0)

    assert once.filter(line("x"))
    assert once.filter(line("x"))
