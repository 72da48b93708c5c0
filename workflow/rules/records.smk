"""All that runs a model, or reads what one wrote, down to counts; a bundle has those counts without the rest."""

if not STUDY.bundled:

    include: "models.smk"
    include: "prompts.smk"
    include: "traces.smk"
    include: "replay.smk"
    include: "aggregates.smk"
    include: "rounds.smk"
