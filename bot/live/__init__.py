"""The live session: chat steers the music, which never stops.

    vote ─► ballot ─► mode ─► target mix ─► planner ─► requests ─► studio's live lane
                                                                        │ clips
    listeners ◄─ stage feed, /live.mp3, export ◄─ timeline ◄─ joins ◄───┘

What it is, from the bottom up:

- **grid**: one tempo per session, counted in samples. A loop is a whole number of beats and of
  samples, and every clip of the session is exactly one loop long. Beat `b` of the session is beat
  `b mod beats` of every clip, so clips can change places on any beat without losing the metre.
- **ballot**: a voter has one vote, the last one they cast; it halves every `half_life` seconds.
  Votes for the same thing in other words are counted together (`topics`).
- **mix**: shares of prompts that sum to 1. It moves towards a target by at most `speed` per loop,
  so nobody can make the music jump, and only a difference worth hearing makes it move.
- **modes**: *crowd* aims at the strongest few topics, *queue* at one prompt after another, *duel*
  at the scores of two, *hold* at what there is. They only choose targets; the way there is the
  same for all. A point of the way is one `mix` request: embeddings and noises are interpolated by
  the engine, with their lengths kept.
- **planner**: the next few steps of the way, as requests with deadlines. Steps that a new vote
  makes wrong are dropped, the others are kept; what is being drawn is dropped at most once before
  something new is heard, so the most fickle crowd still hears music change.
- **quality**: fewer denoising steps and a shorter look-ahead where the worker cannot keep up,
  before a clip is late as far as that can be foretold, and back when it can.
- **timeline**: what sounds from which sample on. A segment loops its clip until the next one
  begins, so a clip that is late leaves no hole: what plays loops on, and the miss is counted.
  Segments enter on bars, or on the next beat where a bar is too far away, with equal power over
  half a beat, each with the gain that brings it to the session's loudness.
- **performance**: all of this as one deterministic machine. It is told what happens (a vote, a
  clip, the time) and answers with what to do (make, drop). It knows no clock, task, file or
  database, so tests play hours of it in moments.
- **session**: one performance on a real clock, with studio, files and database around it.
- **renderer**, **radio**, **export**: the timeline as sound: a pure function of the sample, so the
  endless stream, the exported file and the stage page hear the same.
- **sessions**: all sessions of the bot; **commands**: what people type.

Time is counted in samples since the session began. The hands are those of a monotonic clock, so
setting the computer's clock changes nothing; after a restart the count goes on where it stopped.
"""
