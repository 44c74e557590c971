-- Fair turns, deadlines, exact-once claims, limits at three levels, files with a budget.

ALTER TABLE jobs ADD COLUMN weight  REAL NOT NULL DEFAULT 1;     -- its requester's share of turns
ALTER TABLE jobs ADD COLUMN steps   INTEGER NOT NULL DEFAULT 0;  -- 0: the checkpoint's own
ALTER TABLE jobs ADD COLUMN seconds REAL NOT NULL DEFAULT 5.12;  -- of sound, all clips together
ALTER TABLE jobs ADD COLUMN claim   INTEGER;                     -- lease: which claim holds it
ALTER TABLE jobs ADD COLUMN ask_key TEXT;                        -- the same key asks for the same job
ALTER TABLE jobs ADD COLUMN pinned  INTEGER NOT NULL DEFAULT 0;  -- its files are kept for good

ALTER TABLE deliveries ADD COLUMN owed_at  REAL;                 -- since when the answer is ready
ALTER TABLE deliveries ADD COLUMN begun_at REAL;                 -- an adapter is at it since then

UPDATE deliveries SET owed_at = (SELECT coalesce(j.rendered_at, j.finished_at) FROM jobs j
    WHERE j.id = deliveries.job_id AND j.state IN ('rendered', 'failed'));

-- One row: the state of the line as a whole.
CREATE TABLE queue (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    version     INTEGER NOT NULL DEFAULT 0,              -- grows whenever the line changes
    claims      INTEGER NOT NULL DEFAULT 0,              -- grows with every claim
    waiting     INTEGER NOT NULL DEFAULT 0,              -- riffs in line
    clock       REAL NOT NULL DEFAULT 0,                 -- virtual time of the communities
    live_run    INTEGER NOT NULL DEFAULT 0               -- live jobs served since the last riff
) STRICT;
INSERT INTO queue (id) VALUES (1);

-- Turns are taken by start-time fair queueing: see bot/store/turns.py.
CREATE TABLE communities (
    platform    TEXT NOT NULL,
    community   TEXT NOT NULL,
    policy      TEXT NOT NULL DEFAULT 'fair' CHECK (policy IN ('fair', 'first-come')),
    weight      REAL NOT NULL DEFAULT 1,
    waiting     INTEGER NOT NULL DEFAULT 0,              -- its riffs in line
    pass        REAL NOT NULL DEFAULT 0,                 -- virtual time of its next turn
    joined      INTEGER NOT NULL DEFAULT 0,              -- first in line since this arrival
    clock       REAL NOT NULL DEFAULT 0,                 -- virtual time of its requesters
    PRIMARY KEY (platform, community)
) STRICT, WITHOUT ROWID;
CREATE INDEX communities_in_line ON communities (pass, joined) WHERE waiting > 0;

CREATE TABLE requesters (
    platform    TEXT NOT NULL,
    community   TEXT NOT NULL,
    user        TEXT NOT NULL,
    waiting     INTEGER NOT NULL DEFAULT 0,
    pass        REAL NOT NULL DEFAULT 0,
    joined      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (platform, community, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX requesters_in_line ON requesters (platform, community, pass, joined)
    WHERE waiting > 0;
CREATE INDEX requesters_of_user ON requesters (platform, user) WHERE waiting > 0;

DROP TABLE turns;
DROP INDEX jobs_waiting;
CREATE INDEX jobs_in_line ON jobs (platform, community, user, seq)
    WHERE state = 'queued' AND lane = 'riffs';
CREATE INDEX jobs_by_arrival ON jobs (platform, community, seq)
    WHERE state = 'queued' AND lane = 'riffs';
CREATE INDEX jobs_live ON jobs (coalesce(deadline, 1e300), seq)
    WHERE state = 'queued' AND lane = 'live';
CREATE INDEX jobs_with_deadline ON jobs (deadline)
    WHERE state = 'queued' AND deadline IS NOT NULL;
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_of_community ON jobs (platform, community, seq);
CREATE UNIQUE INDEX jobs_by_ask_key ON jobs (platform, user, ask_key) WHERE ask_key IS NOT NULL;

DROP INDEX deliveries_pending;
CREATE INDEX deliveries_owed ON deliveries (platform, owed_at)
    WHERE state = 'pending' AND owed_at IS NOT NULL;
CREATE INDEX deliveries_at ON deliveries (platform, address, owed_at)
    WHERE state = 'pending' AND owed_at IS NOT NULL;

-- The counts belong to the state of the jobs, so the database keeps them, whoever changes it.
CREATE TRIGGER riff_arrives AFTER INSERT ON jobs
WHEN NEW.state = 'queued' AND NEW.lane = 'riffs' BEGIN
    UPDATE queue SET waiting = waiting + 1;
    INSERT INTO communities (platform, community, waiting, pass, joined)
        SELECT NEW.platform, NEW.community, 1, clock, NEW.seq FROM queue WHERE true
        ON CONFLICT DO UPDATE SET
            pass = CASE WHEN waiting = 0 THEN max(pass, excluded.pass) ELSE pass END,
            joined = CASE WHEN waiting = 0 THEN excluded.joined ELSE joined END,
            waiting = waiting + 1;
    INSERT INTO requesters (platform, community, user, waiting, pass, joined)
        SELECT NEW.platform, NEW.community, NEW.user, 1, clock, NEW.seq FROM communities
        WHERE platform = NEW.platform AND community = NEW.community
        ON CONFLICT DO UPDATE SET
            pass = CASE WHEN waiting = 0 THEN max(pass, excluded.pass) ELSE pass END,
            joined = CASE WHEN waiting = 0 THEN excluded.joined ELSE joined END,
            waiting = waiting + 1;
END;

-- Back in line without a result: the turn is given back too.
CREATE TRIGGER riff_returns AFTER UPDATE OF state ON jobs
WHEN NEW.state = 'queued' AND OLD.state <> 'queued' AND NEW.lane = 'riffs' BEGIN
    UPDATE queue SET waiting = waiting + 1;
    UPDATE communities SET
            pass = max(pass - NEW.cost / weight,
                       CASE WHEN waiting = 0 THEN (SELECT clock FROM queue) ELSE -1e300 END),
            joined = CASE WHEN waiting = 0 THEN NEW.seq ELSE min(joined, NEW.seq) END,
            waiting = waiting + 1
        WHERE platform = NEW.platform AND community = NEW.community;
    UPDATE requesters SET
            pass = max(pass - NEW.cost / NEW.weight,
                       CASE WHEN waiting = 0 THEN (SELECT clock FROM communities
                           WHERE platform = NEW.platform AND community = NEW.community)
                       ELSE -1e300 END),
            joined = CASE WHEN waiting = 0 THEN NEW.seq ELSE min(joined, NEW.seq) END,
            waiting = waiting + 1
        WHERE platform = NEW.platform AND community = NEW.community AND user = NEW.user;
END;

CREATE TRIGGER riff_leaves AFTER UPDATE OF state ON jobs
WHEN OLD.state = 'queued' AND NEW.state <> 'queued' AND NEW.lane = 'riffs' BEGIN
    UPDATE queue SET waiting = waiting - 1;
    UPDATE communities SET waiting = waiting - 1
        WHERE platform = NEW.platform AND community = NEW.community;
    UPDATE requesters SET waiting = waiting - 1
        WHERE platform = NEW.platform AND community = NEW.community AND user = NEW.user;
END;

CREATE TRIGGER line_grows AFTER INSERT ON jobs WHEN NEW.state = 'queued' BEGIN
    UPDATE queue SET version = version + 1;
END;
CREATE TRIGGER line_moves AFTER UPDATE OF state ON jobs
WHEN (OLD.state = 'queued') <> (NEW.state = 'queued')
    OR (OLD.state = 'running') <> (NEW.state = 'running') BEGIN
    UPDATE queue SET version = version + 1;
END;
CREATE TRIGGER policy_changes AFTER UPDATE OF policy, weight ON communities BEGIN
    UPDATE queue SET version = version + 1;
END;

CREATE TRIGGER answer_is_owed AFTER UPDATE OF state ON jobs
WHEN NEW.state IN ('rendered', 'failed') AND OLD.state NOT IN ('rendered', 'failed') BEGIN
    UPDATE deliveries SET owed_at = coalesce(NEW.rendered_at, NEW.finished_at, NEW.created_at)
        WHERE job_id = NEW.id AND state = 'pending';
END;

-- Who waits already joins the new line.
INSERT INTO communities (platform, community, waiting, joined)
    SELECT platform, community, count(*), min(seq) FROM jobs
    WHERE state = 'queued' AND lane = 'riffs' GROUP BY 1, 2;
INSERT INTO requesters (platform, community, user, waiting, joined)
    SELECT platform, community, user, count(*), min(seq) FROM jobs
    WHERE state = 'queued' AND lane = 'riffs' GROUP BY 1, 2, 3;
UPDATE queue SET waiting = (SELECT count(*) FROM jobs WHERE state = 'queued' AND lane = 'riffs');

-- When the bucket was last touched: a clock that was set back is noticed by this.
ALTER TABLE rate_limits ADD COLUMN at REAL NOT NULL DEFAULT 0;

-- What a job that is not finished was charged, so that it can be given back.
CREATE TABLE charges (
    job_id  TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    key     TEXT NOT NULL,
    seconds REAL NOT NULL,                               -- by which it moved the key's TAT
    PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;

-- How long jobs took, so that the next ones can be foretold.
CREATE TABLE durations (
    model   TEXT NOT NULL,
    steps   INTEGER NOT NULL,                            -- 0: the checkpoint's own
    seconds REAL NOT NULL,                               -- of sound
    mean    REAL NOT NULL,                               -- seconds of work, newest count most
    count   INTEGER NOT NULL,
    PRIMARY KEY (model, steps, seconds)
) STRICT, WITHOUT ROWID;

-- Files of clips, named by content. Paths are relative to the clips folder.
CREATE TABLE files (
    path        TEXT PRIMARY KEY,
    bytes       INTEGER NOT NULL,
    created_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_age ON files (created_at);
CREATE TABLE clip_files (
    path    TEXT NOT NULL,
    job_id  TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (path, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX clip_files_of_job ON clip_files (job_id);
INSERT INTO clip_files (path, job_id)
    SELECT DISTINCT f.value, c.job_id FROM clips c, json_each(c.clip, '$.files') f;
INSERT INTO files (path, bytes, created_at)
    SELECT f.value, 0, min(c.created_at) FROM clips c, json_each(c.clip, '$.files') f GROUP BY 1;

-- What riffs build on, named by SHA-256.
CREATE TABLE sources (
    sha256      TEXT PRIMARY KEY,
    bytes       INTEGER NOT NULL,
    created_at  REAL NOT NULL                            -- or when it was last put
) STRICT, WITHOUT ROWID;
CREATE TABLE job_sources (
    sha256  TEXT NOT NULL,
    job_id  TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (sha256, job_id)
) STRICT, WITHOUT ROWID;
