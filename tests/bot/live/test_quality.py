from __future__ import annotations

from bot.live.quality import Quality
from bot.live.rules import LiveRules


def test_draws_as_well_as_there_is_time_for() -> None:
    quality = Quality(LiveRules())
    assert quality.rung.steps == 12
    quality.made(2.0, 12)
    assert quality.level == 0
    for _ in range(5):
        quality.made(6.0, quality.rung.steps)
    assert quality.level > 0
    for _ in range(20):
        quality.made(0.8, quality.rung.steps)
    assert quality.level == 0


def test_a_miss_costs_quality_until_eight_clips_were_in_time() -> None:
    quality = Quality(LiveRules())
    quality.made(1.0, 12)
    quality.missed()
    assert (quality.level, quality.rung.look_ahead) == (1, 1)
    quality.missed()
    quality.missed()
    quality.missed()
    assert quality.level == 3
    for made in range(24):
        assert quality.level == 3 - made // 8
        quality.made(1.0, 12)
    assert quality.level == 0


def test_one_clip_that_hung_says_little_about_the_next() -> None:
    quality = Quality(LiveRules())
    quality.made(2.0, 12)
    quality.made(60.0, 12)
    assert quality.seconds(12) < 5
