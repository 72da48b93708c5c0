"""Tables of settings that keep no records, and over all settings of a pair and decoding."""

for number, names, decodings in alike(swept_names):

    rule:
        name:
            f"tabulate_swept{number}"
        input:
            prompts="<results>/study/prompts.parquet",
            done=facts_file,
            states=[f"<results>/aggregates/{{pair}}/{{decoding}}/{name}/state.rust_agg" for name in names],
            rust_agg="<build>/rust_agg",
            code=TABLE_CODE,
        output:
            [
                f"<results>/tables/{{pair}}/{{decoding}}/{name}/{table}"
                for name in names
                for table in table_names.swept_table_names(grouping_names())
            ],
        log:
            "<logs>/tabulate_swept/{pair}/{decoding}.log",
        wildcard_constraints:
            decoding=one_of(decodings),
        group:
            "tables"
        conda:
            "../../envs/analysis.yaml"
        resources:
            mem_mb=step_memory("tabulate"),
            runtime=step_minutes("tabulate"),
        params:
            config=CONFIG_FILE,
            cost=STUDY.cost_ratio,
        message:
            "Writing tables of the sweep of {wildcards.pair}, {wildcards.decoding}"
        shell:
            "specgap tabulate_swept.py {params.config:q} {input.prompts:q} {input.done:q}"
            " {wildcards.pair:q} {wildcards.decoding:q} {input.states:q} 2> {log:q}"


rule tabulate_settings:
    input:
        prompts="<results>/study/prompts.parquet",
        done=facts_file,
        states=lambda wildcards: states_of(wildcards, STUDY.settings_of(wildcards.decoding)),
        rust_agg="<build>/rust_agg",
        code=TABLE_CODE,
    output:
        [f"<results>/tables/{{pair}}/{{decoding}}/all/{name}" for name in table_names.settings_table_names()],
    log:
        "<logs>/tabulate_settings/{pair}/{decoding}.log",
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
        settings=lambda wildcards: [s.model_dump_json() for s in STUDY.settings_of(wildcards.decoding)],
        drawn=lambda wildcards: [s.name for s in STUDY.figure_settings_of(wildcards.decoding)],
        cost=STUDY.cost_ratio,
    message:
        "Writing tables over all settings of {wildcards.pair}, {wildcards.decoding}"
    shell:
        "specgap tabulate_settings.py {params.config:q} {input.prompts:q} {input.done:q}"
        " {wildcards.pair:q} {wildcards.decoding:q} {params.folder:q} 2> {log:q}"


rule tabulate_cross_check:
    input:
        prompts="<results>/study/prompts.parquet",
        states=lambda wildcards: states_of(wildcards, itertools.chain(*cross_checks(wildcards))),
        rust_agg="<build>/rust_agg",
        code=TABLE_CODE,
    output:
        [f"<results>/tables/{{pair}}/{{decoding}}/all/{name}" for name in table_names.files_of("cross_check")],
    log:
        "<logs>/tabulate_cross_check/{pair}/{decoding}.log",
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
        settings=lambda wildcards: [s.model_dump_json() for s in itertools.chain(*cross_checks(wildcards))],
    message:
        "Holding replayed settings of {wildcards.pair}, {wildcards.decoding}, against real rounds"
    shell:
        "specgap tabulate_cross_check.py {params.config:q} {input.prompts:q}"
        " {wildcards.pair:q} {wildcards.decoding:q} {params.folder:q} 2> {log:q}"
