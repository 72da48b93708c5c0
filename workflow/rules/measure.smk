"""Prompts measured under a pair, and the text of its tokens."""


rule measure_prompts:
    input:
        prompts=prompt_files,
        models=model_files,
    output:
        measures="<results>/prompts/{pair}.parquet",
        vocabulary="<results>/vocabularies/{pair}.parquet",
    log:
        "<logs>/measure_prompts/{pair}.log",
    # Soon done, and without it no figure of a partial study can be drawn.
    priority: 1
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    resources:
        gpu=STUDY.resources.gpu,
        mem_mb=memory(measure_needs),
        runtime=minutes(measure_needs),
    params:
        config=CONFIG_FILE,
        # Groups may be renamed or regrouped without another run of the models.
        identity=lambda wildcards: identity.measure_identity(STUDY, wildcards.pair, study_prompts()),
    message:
        "Measuring the prompts under {wildcards.pair}"
    shell:
        "specgap measure_prompts.py {params.config:q} {wildcards.pair:q} {output:q}" " 2> {log:q}"
