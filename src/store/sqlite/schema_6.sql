-- Format 6. How often the candidate had answered where a fault was seen.
ALTER TABLE signatures ADD COLUMN reversed INTEGER NOT NULL DEFAULT 0;
