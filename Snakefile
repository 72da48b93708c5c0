"""specgap: from prompts and model pairs to traces, tables, figures and a report."""

from snakemake.utils import min_version

min_version("9.20")

# A study of one's own stands alone: it is not laid over the embedded one, whose pairs it would inherit.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


pathvars:
    results=STUDY.results,
    resources=STUDY.resources_folder,
    logs=f"{STUDY.results}/logs",


include: "workflow/rules/models.smk"
include: "workflow/rules/prompts.smk"
include: "workflow/rules/traces.smk"
include: "workflow/rules/replay.smk"
include: "workflow/rules/aggregates.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


onstart:
    check.start_results(STUDY, Path(CONFIG_FILE))


rule all:
    default_target: True
    input:
        rules.report.input,
