"""What is said on Discord, in its markdown. Pure text: nothing here needs a connection."""

from __future__ import annotations

import re
import unicodedata

from bot.jobs import Job, JobView
from bot.names import file_stem
from bot.studio import in_words
from generation.request import Progress

# Every status begins with this and no answer does, so after a restart the two can be told apart.
STATUS_MARK = "\N{HOURGLASS WITH FLOWING SAND}"
SUBTEXT = "-# "
LONGEST = 2000
PREVIEW_TEXT = "The spectrogram as it is being drawn"

_SHOWN_PROMPT = 200
# Discord takes a backslash before punctuation as "this is only a character". These begin markup
# anywhere (emphasis, code, spoilers, mentions, emoji, timestamps, links), or only at the start of
# a line (headings, subtext, quotes, lists). Others stay as they are, because notifications show
# the backslashes.
_MARKUP = re.compile(
    r"(?P<mark>[\\*_~`|<\[@]|:(?=//)|^(?P<indent>[^\S\n]*\d*)(?=[-#>+.]))", re.MULTILINE
)
_CHANNEL_OR_ROLE = re.compile(r"<(?:#|@&)(?P<id>\d{1,20})>")
_BANG = re.compile(r"!(?=[A-Za-z])")
_STAGES = {
    "reading": "reading the prompt",
    "drawing": "drawing",
    "sounding": "turning the picture into sound",
    "encoding": "packing it up",
}


def escape(text: str) -> str:
    """Text that people typed, so that it appears on Discord exactly as typed and does nothing.

    Who is pinged is decided by a message's allowed mentions; this is about looks only.
    """
    return _MARKUP.sub(_escaped, text)


def places_as_ids(text: str) -> str:
    """Mentioned channels and roles as ids, so that settings mean them whatever they are called
    later."""
    return _CHANNEL_OR_ROLE.sub(lambda match: match["id"], text)


def with_prefix(sentence: str, prefix: str) -> str:
    """A sentence of the studio, whose commands begin with `!`, as this bot's prefix has it."""
    return sentence if prefix == "!" else _BANG.sub(lambda _: prefix, sentence)


def status_line(view: JobView) -> str | None:
    """How far a riff is, or None when it neither waits nor runs any more."""
    if view.job.state == "queued":
        if view.notice is not None:
            return f"{STATUS_MARK} {view.notice}"
        if view.waiting is None:
            return f"{STATUS_MARK} Queued."
        reason = f" ({view.waiting.reason})" if view.waiting.position > 1 else ""
        return (
            f"{STATUS_MARK} Queued: number {view.waiting.position} in line{reason}, "
            f"about {in_words(view.waiting.expected_seconds)}."
        )
    if view.job.state == "running":
        return f"{STATUS_MARK} {_doing(view.progress)}"
    return None


def clip_line(job: Job) -> str:
    """One quiet line with the clips: prompt, seed, steps, model, length, tempo, and that it was a
    machine which made them."""
    request = job.request
    recipe = job.clips[0].recipe if job.clips else {}
    steps = recipe.get("steps") or request.steps
    parts = [escape(shorten(request.prompt)), f"seed {request.seed}"]
    if steps:
        parts.append(f"{escape(str(steps))} steps")
    if recipe.get("model"):
        parts.append(escape(shorten(recipe["model"])))
    if job.clips:
        count = "" if len(job.clips) == 1 else f"{len(job.clips)} × "
        parts.append(f"{count}{job.clips[0].seconds:.1f} s")
    if recipe.get("bpm") or request.bpm:
        parts.append(f"{escape(recipe.get('bpm') or f'{request.bpm:g}')} BPM")
    took = "" if job.seconds_taken is None else f" in {job.seconds_taken:.1f} s"
    return SUBTEXT + " · ".join([*parts, f"machine-made{took}"])


def no_file_line(job: Job, why: str) -> str:
    """The clip exists but cannot be attached; how to get it nevertheless."""
    return (
        f"Your riff “{escape(shorten(job.request.prompt))}” is ready, but {why} Asking for it "
        f"again with seed {job.request.seed} makes the same one."
    )


def picture_text(job: Job) -> str:
    """Alt text of the picture (Discord allows 1,024 characters)."""
    return f"Spectrogram of a music loop made from the prompt: {job.request.prompt}"


def upload_stem(job: Job, index: int) -> str:
    """A file name without its ending, such as `lo-fi-beat-7`.

    In plain ASCII, because Discord drops other letters from the names of uploads.
    """
    prompt = unicodedata.normalize("NFKD", job.request.prompt).encode("ascii", "ignore").decode()
    return file_stem(prompt, job.request.seed + index)


def shorten(prompt: str) -> str:
    """A prompt short enough to be repeated on one line, of at most 200 characters."""
    line = " ".join(prompt.split())
    return line if len(line) <= _SHOWN_PROMPT else line[: _SHOWN_PROMPT - 1].rstrip() + "…"


def _escaped(match: re.Match[str]) -> str:
    indent = match["indent"]
    return f"\\{match['mark']}" if indent is None else f"{indent}\\"


def _doing(progress: Progress | None) -> str:
    if progress is None:
        return "Starting…"
    return f"{_STAGES[progress.stage].capitalize()}… {progress.fraction:.0%}"
