-- Live sessions: each goes on after a restart from where it was.
CREATE TABLE live_sessions (
    id          TEXT PRIMARY KEY,
    platform    TEXT NOT NULL,
    community   TEXT NOT NULL,
    channel     TEXT NOT NULL,
    seed        INTEGER NOT NULL,                        -- decides about all its noise
    rules       TEXT NOT NULL,                           -- LiveRules as JSON
    state       TEXT NOT NULL DEFAULT '{}',              -- votes, topics, mode as JSON
    playhead    INTEGER NOT NULL DEFAULT 0,              -- samples since it began
    started_at  REAL NOT NULL,                           -- Unix seconds
    ended_at    REAL
) STRICT;
CREATE UNIQUE INDEX live_sessions_on ON live_sessions (platform, community)
    WHERE ended_at IS NULL;
CREATE INDEX live_sessions_of ON live_sessions (platform, community, started_at);

-- What sounded, from which sample on.
CREATE TABLE live_segments (
    session_id  TEXT NOT NULL REFERENCES live_sessions (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    start       INTEGER NOT NULL,
    segment     TEXT NOT NULL,                           -- Segment as JSON
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

-- The address of each community's stage: whoever has it may look and listen, and nothing else.
CREATE TABLE live_keys (
    platform    TEXT NOT NULL,
    community   TEXT NOT NULL,
    key         TEXT NOT NULL UNIQUE,
    created_at  REAL NOT NULL,
    PRIMARY KEY (platform, community)
) STRICT, WITHOUT ROWID;
