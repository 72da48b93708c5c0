"""The report, and what a paper needs: methods in sentences and references."""


rule write_report:
    input:
        prompts="<results>/study/prompts.parquet",
        done=model_runs,
        tables=rules.tables.input,
        figures=rules.figures.input,
        origin=prompt_origin(),
        code=sources("src/specgap/report/*.py", "src/specgap/report/templates/*"),
    output:
        report="<results>/report.html",
        methods="<results>/methods.md",
        references="<results>/references.bib",
    log:
        "<logs>/write_report.log",
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=step_memory("report"),
        runtime=step_minutes("report"),
    params:
        config=CONFIG_FILE,
        study=fixed(
            STUDY.model_dump_json(
                exclude={"results", "resources_folder", "resources", "shards", "aggregate", "batch"}
            )
        ),
    message:
        "Writing report, methods and references"
    shell:
        "specgap write_report.py {params.config:q} {input.prompts:q} {input.done:q} 2> {log:q}"


rule report:
    input:
        "<results>/report.html",
        "<results>/methods.md",
        "<results>/references.bib",


if not STUDY.partial:

    include: "bundle.smk"
