-- Moderators are in charge: settings by scope, who is blocked, what is halted, and who did it.

-- A scope is global ('' everywhere), a community, a channel of it, or somebody in it.
CREATE TABLE settings (
    platform    TEXT NOT NULL,
    community   TEXT NOT NULL,
    channel     TEXT NOT NULL,
    user        TEXT NOT NULL,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,                           -- JSON
    PRIMARY KEY (platform, community, channel, user, key)
) STRICT, WITHOUT ROWID;

-- Who may not ask: until a time, or for good.
CREATE TABLE bans (
    platform    TEXT NOT NULL,
    community   TEXT NOT NULL,
    user        TEXT NOT NULL,
    name        TEXT NOT NULL,                           -- for display only
    reason      TEXT NOT NULL,
    until       REAL,                                    -- Unix seconds
    by_platform INTEGER NOT NULL,                        -- 1: the platform itself reported it
    created_at  REAL NOT NULL,
    PRIMARY KEY (platform, community, user)
) STRICT, WITHOUT ROWID;

-- Whose queue stands still: a community's, or everybody's ('' and '').
CREATE TABLE halts (
    platform    TEXT NOT NULL,
    community   TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('paused', 'panic')),
    created_at  REAL NOT NULL,
    PRIMARY KEY (platform, community)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER halt_begins AFTER INSERT ON halts BEGIN
    UPDATE queue SET version = version + 1;
END;
CREATE TRIGGER halt_ends AFTER DELETE ON halts BEGIN
    UPDATE queue SET version = version + 1;
END;

-- Everything that anybody in charge did.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY,
    at          REAL NOT NULL,
    platform    TEXT NOT NULL,                           -- where it holds; '' is everywhere
    community   TEXT NOT NULL,
    by_platform TEXT NOT NULL,                           -- who did it
    by_user     TEXT NOT NULL,
    by_name     TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    before      TEXT,                                    -- JSON
    after       TEXT                                     -- JSON
) STRICT;
CREATE INDEX audit_of_community ON audit (platform, community, id);

-- A moderator moved it before others of its community: the lowest goes first.
ALTER TABLE jobs ADD COLUMN ahead REAL;
CREATE INDEX jobs_ahead ON jobs (platform, community, ahead)
    WHERE state = 'queued' AND ahead IS NOT NULL;
CREATE TRIGGER line_is_changed AFTER UPDATE OF ahead ON jobs WHEN NEW.state = 'queued' BEGIN
    UPDATE queue SET version = version + 1;
END;

-- Not to be seen any more: its requester was blocked, or the message that asked was deleted.
ALTER TABLE jobs ADD COLUMN hidden TEXT CHECK (hidden IN ('person', 'message'));
