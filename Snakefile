"""specgap: from prompts and model pairs to traces, tables, figures and a report."""

from snakemake.utils import min_version

min_version("9.20")

IS_MODULE = not workflow.modifier.is_main_snakefile()

# A study of one's own stands alone: it is not laid over the embedded one, whose pairs it would inherit.
if not (workflow.overwrite_configfiles or IS_MODULE):

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"


pathvars:
    results=STUDY.results,
    resources=STUDY.resources_folder,
    build=BUILD,
    logs=f"{STUDY.results}/logs",


include: "workflow/rules/build.smk"
include: "workflow/rules/records.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


onstart:
    start()


rule all:
    default_target: True
    input:
        rules.report.input,
