"""Aggregates: the Rust extension, and one folded state per cell."""


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
        done=done_files,
        rust_agg="<resources>/build/rust_agg",
        code=["src/specgap/aggregate.py", "src/specgap/tables/membership.py"],
    output:
        "<results>/aggregates/{pair}/{decoding}/{setting}/state.rust_agg",
    log:
        "<logs>/aggregate/{pair}/{decoding}/{setting}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=CONFIG_FILE,
        bins=fixed(STUDY.bins.model_dump_json()),
        ratio=STUDY.over_confident_ratio,
    message:
        "Counting {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "python scripts/aggregate.py {params.config:q} {input.prompts:q} {output:q} {input.done:q} 2> {log:q}"
