"""Tables of a study that starts from counts of a server, in place of all rules that trace and count."""


rule tabulate_counts:
    input:
        prompts="<results>/study/prompts.parquet",
        counts=lambda wildcards: STUDY.pairs[wildcards.pair].counts,
        code=TABLE_CODE,
    output:
        [
            f"<results>/tables/{{pair}}/{{decoding}}/{{setting}}/{name}"
            for name in table_names.count_table_names(grouping_names())
        ],
    log:
        "<logs>/tabulate_counts/{pair}/{decoding}/{setting}.log",
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
        cost=STUDY.cost_ratio,
        statistics=STUDY.statistics.model_dump_json(),
        seed=STUDY.seed,
    message:
        "Writing tables of {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "specgap tabulate_counts.py {params.config:q} {input.prompts:q} {input.counts:q}"
        " {wildcards.decoding:q} {params.folder:q} 2> {log:q}"
