"""Inference on groups from counts per prompt: no records, no models, no workflow. `docs/statistics.md`."""
