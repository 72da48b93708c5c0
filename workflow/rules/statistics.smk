"""Tables: rates, differences and distributions as CSV, what a paper prints also as LaTeX."""


localrules:
    tabulate_prompts,
    power,


rule tabulate_cell:
    input:
        prompts="<results>/study/prompts.parquet",
        state="<results>/aggregates/{pair}/{decoding}/{setting}/state.rust_agg",
        done=lambda wildcards: done_files(cell_of(wildcards))[:1],
        measures="<results>/prompts/{pair}.parquet",
        rust_agg="<build>/rust_agg",
        code=TABLE_CODE,
    output:
        [
            f"<results>/tables/{{pair}}/{{decoding}}/{{setting}}/{name}"
            for names in (table_names.cell_table_names, table_names.inference_table_names)
            for name in names(grouping_names())
        ],
    log:
        "<logs>/tabulate_cell/{pair}/{decoding}/{setting}.log",
    wildcard_constraints:
        setting=stored_names(),
    group:
        "tables"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=step_memory("tabulate"),
        runtime=step_minutes("tabulate"),
    params:
        folder=output_folder,
        config=CONFIG_FILE,
        limit=limit_of,
        cost=STUDY.cost_ratio,
        statistics=STUDY.statistics.model_dump_json(),
        seed=STUDY.seed,
    message:
        "Writing tables of {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "specgap tabulate_cell.py {params.config:q} {input.prompts:q} {input.state:q} {input.done:q}"
        " {input.measures:q} {wildcards.decoding:q} {wildcards.setting:q} {params.folder:q} 2> {log:q}"


rule tabulate_prompts:
    input:
        prompts="<results>/study/prompts.parquet",
        code=sources("src/specgap/tables/*.py"),
    output:
        [f"<results>/study/tables/{name}" for name in table_names.prompts_table_names()],
    log:
        "<logs>/tabulate_prompts.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        folder=output_folder,
    message:
        "Writing the table of prompts"
    shell:
        "specgap tabulate_prompts.py {input.prompts:q} {params.folder:q} 2> {log:q}"


if STUDY.collector == "counts":

    include: "counts.smk"


rule power:
    input:
        [
            f"<results>/tables/{cell.folder}/{table}.csv"
            for cell in drawn_cells(STUDY)
            if cell.setting != ALL_SETTINGS
            for table in ("gap_test", "group_differences")
        ],
    log:
        "<logs>/power.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        folders=lambda wildcards, input: list(dict.fromkeys(os.path.dirname(file) for file in input)),
    message:
        "What each pair, decoding and setting could have found, and how many terms a gap needs"
    shell:
        "specgap power.py {params.folders:q} 2> >(tee {log:q} >&2)"


rule tables:
    input:
        "<results>/study/tables/prompts.csv",
        [f"<results>/tables/{cell.folder}/acceptance.csv" for cell in traced_cells(STUDY)],
        [f"<results>/tables/{cell.folder}/surer_tokens.csv" for cell in stored_cells(STUDY)],
        [
            f"<results>/tables/{cell.folder}/{table}.csv"
            for cell in drawn_cells(STUDY)
            if cell.setting == ALL_SETTINGS
            for table in table_names.settings_tables(STUDY, cell.decoding)
        ],
        [f"<results>/study/tables/{cell.decoding}/pairs_overview.csv" for cell in compared_cells(STUDY)],
