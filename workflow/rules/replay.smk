"""Replay: every setting of a pair and decoding, counted from its paths and tails."""


rule replay_records:
    input:
        prompts=prompt_files,
        paths=replayed("paths"),
        tails=replayed("tails"),
        rust_agg="<build>/rust_agg",
        code=sources("src/specgap/replay.py"),
    output:
        "<results>/traces/{pair}/{decoding}/{setting}/{job}.done.json",
    log:
        "<logs>/replay_records/{pair}/{decoding}/{setting}/{job}.log",
    wildcard_constraints:
        setting=stored_names(replayed=True),
    group:
        "counts"
    conda:
        "../../envs/analysis.yaml"
    threads: STUDY.aggregate.threads
    resources:
        mem_mb=memory(counting_needs),
        runtime=minutes(counting_needs),
    params:
        config=CONFIG_FILE,
        identity=replay_identity,
    message:
        "Replaying {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}, job {wildcards.job}"
    shell:
        "specgap replay_records.py {params.config:q} {wildcards.pair:q} {wildcards.decoding:q}"
        " {wildcards.setting:q} {wildcards.job:q} 2> {log:q}"


for number, names, decodings in alike(swept_names):

    rule:
        name:
            f"replay{number}"
        input:
            prompts="<results>/study/prompts.parquet",
            paths=lambda wildcards: all_done("paths", wildcards),
            tails=swept_tails,
            rust_agg="<build>/rust_agg",
            code=sources(*(f"src/specgap/{name}.py" for name in ("replay", "aggregate", "tables/membership"))),
        output:
            [f"<results>/aggregates/{{pair}}/{{decoding}}/{name}/state.rust_agg" for name in names],
        log:
            f"<logs>/replay/{{pair}}/{{decoding}}.log",
        wildcard_constraints:
            decoding=one_of(decodings),
        group:
            "counts"
        conda:
            "../../envs/analysis.yaml"
        threads: STUDY.aggregate.threads
        resources:
            mem_mb=memory(counting_needs),
            runtime=minutes(counting_needs),
        params:
            config=CONFIG_FILE,
            bins=fixed(STUDY.bins.model_dump_json()),
            ratio=STUDY.over_confident_ratio,
            identity=sweep_identity,
        message:
            "Replaying the sweep of {wildcards.pair}, {wildcards.decoding}"
        shell:
            "specgap replay.py {params.config:q} {input.prompts:q} {wildcards.pair:q}"
            " {wildcards.decoding:q} --threads {threads} 2> {log:q}"
