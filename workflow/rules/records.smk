"""All that runs a model, or reads what one wrote, down to counts; a bundle has those counts without the rest."""

if STUDY.partial:

    include: "gather.smk"

elif not STUDY.bundled:

    include: "models.smk"
    include: "fetch.smk"
    include: "measure.smk"
    include: "traces.smk"
    include: "paths.smk"


if not STUDY.bundled:

    include: "prompts.smk"
    include: "replay.smk"
    include: "aggregates.smk"
    include: "rounds.smk"
