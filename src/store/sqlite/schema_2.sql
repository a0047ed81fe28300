-- Format 2. How often each explanation of a fault was seen, as a JSON list of pairs, a bounded number
-- of them; `explanation` is the most common one.
ALTER TABLE signatures ADD COLUMN explanations TEXT NOT NULL DEFAULT '[]';
UPDATE signatures SET explanations = json_array(json_array(explanation, n)) WHERE n > 0;
