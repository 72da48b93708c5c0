"""The bundle: a finished study without its token records, as one file."""


rule write_bundle:
    input:
        prompts="<results>/study/prompts.parquet",
        report=rules.report.input,
        tables=rules.tables.input,
        states=list(map(str, layout.state_files(STUDY))),
        code=sources("src/specgap/bundle.py"),
    output:
        "<results>/bundle.zip",
    log:
        "<logs>/write_bundle.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=CONFIG_FILE,
    message:
        "Writing the bundle"
    shell:
        "specgap write_bundle.py {params.config:q} {input.prompts:q} {output:q} 2> {log:q}"


rule bundle:
    input:
        "<results>/bundle.zip",
