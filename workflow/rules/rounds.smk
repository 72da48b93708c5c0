"""Tables that are made of records and rounds, not of counts."""


rule tabulate_surer_tokens:
    input:
        prompts="<results>/study/prompts.parquet",
        vocabulary="<results>/vocabularies/{pair}.parquet",
        state="<results>/aggregates/{pair}/{decoding}/{setting}/state.rust_agg",
        done=done_files,
        rust_agg="<build>/rust_agg",
        code=TABLE_CODE,
    output:
        [
            f"<results>/tables/{{pair}}/{{decoding}}/{{setting}}/{name}"
            for name in table_names.surer_table_names(grouping_names())
        ],
    log:
        "<logs>/tabulate_surer_tokens/{pair}/{decoding}/{setting}.log",
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
        prior=STUDY.statistics.token_prior,
        seed=STUDY.seed,
    message:
        "Writing surer tokens of {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "specgap tabulate_surer_tokens.py {params.config:q} {input.prompts:q} {input.vocabulary:q} {input.state:q}"
        " {wildcards.decoding:q} {wildcards.setting:q} {params.folder:q} {input.done:q} 2> {log:q}"


rule tabulate_schedule_state:
    input:
        prompts="<results>/study/prompts.parquet",
        done=lambda wildcards: done_files(state_cell(wildcards)),
        rust_agg="<build>/rust_agg",
        code=TABLE_CODE,
    output:
        "<results>/tables/{pair}/{decoding}/all/schedule_state.csv",
    log:
        "<logs>/tabulate_schedule_state/{pair}/{decoding}.log",
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
    message:
        "Writing how γ moves under {wildcards.pair}, {wildcards.decoding}"
    shell:
        "specgap tabulate_schedule_state.py {params.config:q} {input.prompts:q}"
        " {wildcards.decoding:q} {params.folder:q} {input.done:q} 2> {log:q}"


rule tabulate_order_effect:
    input:
        prompts="<results>/study/prompts.parquet",
        paths=lambda wildcards: all_done("paths", wildcards),
        tails=lambda wildcards: all_done("tails", wildcards),
        rust_agg="<build>/rust_agg",
        code=TABLE_CODE + sources("src/specgap/replay.py", "src/specgap/schedules.py"),
    output:
        "<results>/tables/{pair}/{decoding}/all/order_effect.csv",
    log:
        "<logs>/tabulate_order_effect/{pair}/{decoding}.log",
    group:
        "tables"
    conda:
        "../../envs/analysis.yaml"
    threads: STUDY.aggregate.threads
    resources:
        mem_mb=step_memory("tabulate"),
        runtime=step_minutes("tabulate"),
    params:
        folder=output_folder,
        config=CONFIG_FILE,
        setting=lambda wildcards: table_names.order_setting(STUDY, wildcards.decoding).model_dump_json(),
        seed=STUDY.seed,
    message:
        "Carrying γ through orders of the groups under {wildcards.pair}, {wildcards.decoding}"
    shell:
        "specgap tabulate_order_effect.py {params.config:q} {input.prompts:q} {wildcards.pair:q}"
        " {wildcards.decoding:q} {params.folder:q} --threads {threads} 2> {log:q}"


rule tabulate_speed_up:
    input:
        prompts="<results>/study/prompts.parquet",
        times=timed_files,
        rust_agg="<build>/rust_agg",
        code=TABLE_CODE,
    output:
        [
            f"<results>/tables/{{pair}}/{{decoding}}/all/{name}"
            for name in table_names.files_of("measured_speed_up")
        ],
    log:
        "<logs>/tabulate_speed_up/{pair}/{decoding}.log",
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
        setting=lambda wildcards: timed_cell(wildcards).setting,
    message:
        "Writing the measured speed-up of {wildcards.pair}, {wildcards.decoding}"
    shell:
        "specgap tabulate_speed_up.py {params.config:q} {input.prompts:q} {input.times:q}"
        " {wildcards.decoding:q} {params.setting:q} {params.folder:q} 2> {log:q}"
