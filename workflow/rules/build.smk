"""The Rust extension, built from its sources."""


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
        directory("<build>/rust_agg"),
    log:
        "<logs>/build_rust_agg.log",
    conda:
        "../../envs/build.yaml"
    params:
        # A partial study has a build of its own, which the running one has made already.
        made=fixed(f"{STUDY.resources_folder}/build/rust_agg"),
    message:
        "Building rust_agg"
    shell:
        "specgap build_rust_agg.sh {output:q} {params.made:q} {input:q} > {log:q} 2>&1"
