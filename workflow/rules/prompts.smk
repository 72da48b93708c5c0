"""Prompts: checked, and joined to groups."""


localrules:
    prepare_prompts,


rule prepare_prompts:
    input:
        files=lambda wildcards: prompt_sources(),
    output:
        "<results>/study/prompts.parquet",
    log:
        "<logs>/prepare_prompts.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=CONFIG_FILE,
        study=fixed(
            STUDY.model_dump_json(include={"prompts", "limit", "groupings", "unit", "block", "strata"})
        ),
    message:
        "Preparing the prompts"
    shell:
        "specgap prepare_prompts.py {params.config:q} {output:q} 2> {log:q}"
