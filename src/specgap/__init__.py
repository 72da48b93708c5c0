"""specgap: measure whether speculative decoding serves every group of people equally."""
