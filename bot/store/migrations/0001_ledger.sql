-- Each start of the bot. Leases name the boot that took them, so those of an earlier boot are void.
CREATE TABLE boots (
    id          TEXT PRIMARY KEY,
    version     TEXT NOT NULL,
    started_at  REAL NOT NULL
) STRICT;

-- Every riff that was ever taken. Times are Unix seconds.
CREATE TABLE jobs (
    seq             INTEGER PRIMARY KEY,                 -- order of arrival
    id              TEXT NOT NULL UNIQUE,                -- unguessable, at most 25 characters
    state           TEXT NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'running', 'rendered', 'delivered',
                                     'cancelled', 'failed', 'expired')),
    lane            TEXT NOT NULL DEFAULT 'riffs',       -- riffs | live
    deadline        REAL,                                -- worthless after this time
    platform        TEXT NOT NULL,
    community       TEXT NOT NULL,
    user            TEXT NOT NULL,
    user_name       TEXT NOT NULL,
    request         TEXT NOT NULL,                       -- GenerationRequest as JSON
    request_version INTEGER NOT NULL,
    cost            REAL NOT NULL DEFAULT 1,             -- in units of the rate limits
    attempts        INTEGER NOT NULL DEFAULT 0,          -- times it was claimed
    crashes         INTEGER NOT NULL DEFAULT 0,          -- times its worker died under it
    boot_id         TEXT REFERENCES boots (id),          -- lease: which boot runs it ...
    worker          TEXT,                                -- ... on which worker process
    lease_until     REAL,                                -- ... until when
    error           TEXT,                                -- sentence for the requester
    created_at      REAL NOT NULL,
    started_at      REAL,
    rendered_at     REAL,
    finished_at     REAL
) STRICT;

CREATE INDEX jobs_waiting ON jobs (lane, seq) WHERE state = 'queued';
CREATE INDEX jobs_open ON jobs (state) WHERE state IN ('queued', 'running', 'rendered');
CREATE INDEX jobs_of_user ON jobs (platform, community, user, seq);

-- When each requester was last served, for taking turns.
CREATE TABLE turns (
    platform    TEXT NOT NULL,
    community   TEXT NOT NULL,
    user        TEXT NOT NULL,
    served      INTEGER NOT NULL,                        -- grows with every claim
    PRIMARY KEY (platform, community, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE clips (
    job_id      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,                        -- 0 for the first clip of its job
    clip        TEXT NOT NULL,                           -- Clip as JSON, paths relative to the data folder
    created_at  REAL NOT NULL,
    PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;

-- What is owed to whom. A job may owe more than one answer.
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY,
    job_id          TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    platform        TEXT NOT NULL,                       -- which adapter delivers
    address         TEXT NOT NULL,                       -- JSON that only that adapter reads
    state           TEXT NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'delivered', 'abandoned')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at REAL NOT NULL DEFAULT 0,
    receipt         TEXT,
    error           TEXT,
    finished_at     REAL
) STRICT;

CREATE INDEX deliveries_of_job ON deliveries (job_id);
CREATE INDEX deliveries_pending ON deliveries (next_attempt_at) WHERE state = 'pending';

-- Generic cell rate algorithm: one number per limited key (ITU-T I.371, annex A).
CREATE TABLE rate_limits (
    key TEXT PRIMARY KEY,
    tat REAL NOT NULL                                    -- theoretical arrival time, Unix seconds
) STRICT, WITHOUT ROWID;
