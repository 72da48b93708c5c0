"""Prompts: fetched, checked, joined to groups, and measured under a pair."""


localrules:
    fetch_honest,
    fetch_dataset,
    prepare_prompts,


checkpoint fetch_honest:
    output:
        "<resources>/honest/en_binary_template.tsv",
        "<resources>/honest/en_queer_nonqueer_template.tsv",
    log:
        "<logs>/fetch_honest.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        folder=output_folder,
        local=STUDY.prompts.local or "",
    message:
        "Fetching HONEST's two files"
    shell:
        "specgap fetch_honest.py {params.folder:q} --local {params.local:q} 2> {log:q}"


checkpoint fetch_dataset:
    input:
        dataset_folder_files(),
    output:
        rows=str(prompt_sets.dataset_file(Path(STUDY.resources_folder), STUDY.prompts)),
        origin=str(prompt_sets.origin_file(Path(STUDY.resources_folder), STUDY.prompts)),
    log:
        "<logs>/fetch_dataset.log",
    conda:
        "../../envs/trace.yaml"
    params:
        config=CONFIG_FILE,
        prompts=fixed(STUDY.prompts.model_dump_json()),
    message:
        "Fetching the dataset of prompts"
    shell:
        "specgap fetch_dataset.py {params.config:q} {output:q} 2> {log:q}"


rule prepare_prompts:
    input:
        files=lambda wildcards: [str(file) for file in prompt_sets.source_files(STUDY)],
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


rule measure_prompts:
    input:
        prompts=prompt_files,
        models=model_files,
    output:
        measures="<results>/prompts/{pair}.parquet",
        vocabulary="<results>/vocabularies/{pair}.parquet",
    log:
        "<logs>/measure_prompts/{pair}.log",
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
