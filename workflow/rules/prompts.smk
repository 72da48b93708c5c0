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
        local=STUDY.prompts.local or "",
    message:
        "Fetching HONEST's two files"
    shell:
        "python scripts/fetch_honest.py $(dirname {output[0]:q}) --local {params.local:q} 2> {log:q}"


def dataset_folder_files():
    """Return the files of a dataset that is a folder on this disk; an id has none."""
    folder = Path(STUDY.prompts.dataset or "")
    return (
        sorted(map(str, filter(Path.is_file, folder.rglob("*"))))
        if STUDY.prompts.dataset
        else []
    )


checkpoint fetch_dataset:
    input:
        dataset_folder_files(),
    output:
        str(prompt_sets.dataset_file(Path(STUDY.resources_folder), STUDY.prompts)),
    log:
        "<logs>/fetch_dataset.log",
    conda:
        "../../envs/trace.yaml"
    params:
        prompts=fixed(STUDY.prompts.model_dump_json()),
    message:
        "Fetching the dataset of prompts"
    shell:
        "python scripts/fetch_dataset.py {CONFIG_FILE:q} {output:q} 2> {log:q}"


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
        study=fixed(
            STUDY.model_dump_json(
                include={"prompts", "limit", "groupings", "unit", "block", "strata"}
            )
        ),
    message:
        "Preparing the prompts"
    shell:
        "python scripts/prepare_prompts.py {CONFIG_FILE:q} {output:q} 2> {log:q}"


rule measure_prompts:
    input:
        prompts=prompt_files,
        models=model_files,
    output:
        measures="<results>/prompts/{pair}.parquet",
        vocabulary="<results>/prompts/{pair}.vocabulary.parquet",
    log:
        "<logs>/measure_prompts/{pair}.log",
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    resources:
        gpu=STUDY.resources.gpu,
    params:
        pair=lambda wildcards: STUDY.pairs[wildcards.pair].model_dump_json(),
        prompt_format=fixed(STUDY.prompt_format.model_dump_json()),
        # Groups may be renamed or regrouped without another run of the models.
        texts=lambda wildcards: digest(
            [(row.text, row.term) for row in study_prompts().rows]
        ),
    message:
        "Measuring the prompts under {wildcards.pair}"
    shell:
        "python scripts/measure_prompts.py {CONFIG_FILE:q} {wildcards.pair:q} {output:q}"
        " 2> {log:q}"
