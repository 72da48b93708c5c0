"""Aggregates: one state per cell, counted in parts where the config says so."""


rule aggregate:
    input:
        prompts="<results>/study/prompts.parquet",
        counted=counted_files,
        rust_agg="<build>/rust_agg",
        code=sources("src/specgap/aggregate.py", "src/specgap/tables/membership.py"),
    output:
        "<results>/aggregates/{pair}/{decoding}/{setting}/state.rust_agg",
    log:
        "<logs>/aggregate/{pair}/{decoding}/{setting}.log",
    wildcard_constraints:
        setting=stored_names(),
    group:
        "counts"
    conda:
        "../../envs/analysis.yaml"
    threads: STUDY.aggregate.threads
    resources:
        mem_mb=memory(counting_needs),
        runtime=minutes(counting_needs),
    params:
        command=counting_command,
        limit=limit_of,
        bins=fixed(STUDY.bins.model_dump_json()),
        ratio=STUDY.over_confident_ratio,
    message:
        "Counting {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "specgap {params.command} {output:q} {input.counted:q} 2> {log:q}"


# Kept, not temp(): after one more sample, parts that have none of it are not counted again. Other prompts
# count every part anew, since a state knows its groups.
use rule aggregate as aggregate_part with:
    output:
        "<results>/aggregates/{pair}/{decoding}/{setting}/parts/{part}.rust_agg",
    log:
        "<logs>/aggregate/{pair}/{decoding}/{setting}/{part}.log",
    message:
        "Counting {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}, part {wildcards.part}"
