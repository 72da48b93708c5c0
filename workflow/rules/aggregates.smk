"""Aggregates: the Rust extension, and one state per cell, counted in parts where the config says so."""


localrules:
    build_rust_agg,


rule build_rust_agg:
    input:
        sources(
            "rust_agg/Cargo.*",
            "rust_agg/pyproject.toml",
            "rust_agg/src/**/*.rs",
            "rust_agg/rust_agg/*.pyi",
        ),
    output:
        directory("<resources>/build/rust_agg"),
    log:
        "<logs>/build_rust_agg.log",
    conda:
        "../../envs/build.yaml"
    message:
        "Building rust_agg"
    shell:
        "bash scripts/build_rust_agg.sh {output:q} > {log:q} 2>&1"


rule aggregate:
    input:
        prompts="<results>/study/prompts.parquet",
        counted=counted_files,
        rust_agg="<resources>/build/rust_agg",
        code=["src/specgap/aggregate.py", "src/specgap/tables/membership.py"],
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
        "python {params.command} {output:q} {input.counted:q} 2> {log:q}"


# Kept, not temp(): after one more sample, parts that have none of it are not counted again. Other prompts
# count every part anew, since a state knows its groups.
use rule aggregate as aggregate_part with:
    output:
        "<results>/aggregates/{pair}/{decoding}/{setting}/parts/{part}.rust_agg",
    log:
        "<logs>/aggregate/{pair}/{decoding}/{setting}/{part}.log",
    message:
        "Counting {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}, part {wildcards.part}"
