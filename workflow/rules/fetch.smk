"""Prompts that come from elsewhere."""


localrules:
    fetch_honest,
    fetch_dataset,


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
