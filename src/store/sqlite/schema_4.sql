-- How often the answering side differed from itself in the place of a fault.
ALTER TABLE signatures ADD COLUMN noise INTEGER NOT NULL DEFAULT 0;
