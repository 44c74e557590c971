-- Everything of one person, wherever on a platform they asked: to show it to them, and to delete it.
CREATE INDEX jobs_of_person ON jobs (platform, user, seq);
