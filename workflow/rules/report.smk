"""The report, and what a paper needs: methods in sentences and references."""

REPORTED = [*cells(drawn=True), *settings_cells()]


rule write_report:
    input:
        prompts="<results>/study/prompts.parquet",
        prompt_table="<results>/study/tables/prompts.csv",
        done=lambda wildcards: [file for cell in cells() for file in done_files(cell)],
        tables=[f"<results>/tables/{cell.folder}/acceptance.csv" for cell in cells()],
        figures=[f"<results>/figures/{cell.folder}/index.json" for cell in REPORTED],
        code=sources("src/specgap/report/*.py", "src/specgap/report/templates/*"),
    output:
        report="<results>/report.html",
        methods="<results>/methods.md",
        references="<results>/references.bib",
    log:
        "<logs>/write_report.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        study=fixed(
            STUDY.model_dump_json(exclude={"results", "resources_folder", "shards"})
        ),
    message:
        "Writing report, methods and references"
    shell:
        "python scripts/write_report.py {CONFIG_FILE:q} {input.prompts:q} {input.done:q} 2> {log:q}"


rule report:
    input:
        "<results>/report.html",
        "<results>/methods.md",
        "<results>/references.bib",
