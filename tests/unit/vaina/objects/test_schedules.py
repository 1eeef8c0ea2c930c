"""Schedules that cannot be read, in the words of robfig/cron; and one that never comes."""

import pytest

from vaina.objects.schedules import ScheduleError, parse


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('5" * * * *', r'failed to parse int from 5": strconv.Atoi: parsing "5\"": invalid syntax'),
        ("1\a * * * *", 'failed to parse int from 1\a: strconv.Atoi: parsing "1\\a": invalid syntax'),
        ("9223372036854775808 * * * *",
         'failed to parse int from 9223372036854775808: strconv.Atoi: parsing "9223372036854775808": value out of range'),
        ("99999999999999999999x * * * *",
         'failed to parse int from 99999999999999999999x: strconv.Atoi: parsing "99999999999999999999x": value out of range'),
        ("9223372036854775808x * * * *",
         'failed to parse int from 9223372036854775808x: strconv.Atoi: parsing "9223372036854775808x": invalid syntax'),
        ("1-x-3 * * * *", "too many hyphens: 1-x-3"),
        ("-1 * * * *", 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'),
        ("*/-1 * * * *", "negative number (-1) not allowed: -1"),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every 5 days", 'failed to parse duration @every 5 days: time: unknown unit " days" in duration "5 days"'),
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_told_as_upstream_tells_it(text: str, words: str) -> None:
    with pytest.raises(ScheduleError) as error:
        parse(text)
    assert str(error.value) == words


def test_commas_alone_are_a_time_that_never_comes() -> None:
    assert parse(", * * * *").next(1_700_000_000.0) is None
