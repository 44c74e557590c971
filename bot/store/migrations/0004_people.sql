-- Everything of one person, wherever on a platform they asked: to show it to them, and to delete it.
CREATE INDEX jobs_of_person ON jobs (platform, user, seq);

-- A platform reports that a message was deleted, and not always whose it was.
CREATE INDEX jobs_by_key ON jobs (platform, ask_key) WHERE ask_key IS NOT NULL;
CREATE INDEX deliveries_by_receipt ON deliveries (platform, receipt) WHERE receipt IS NOT NULL;
CREATE INDEX jobs_hidden ON jobs (id) WHERE hidden IS NOT NULL;
