"""Pairs side by side: tables and figures over all pairs, at the main setting of each decoding that has several."""


rule tabulate_pairs:
    input:
        prompts="<results>/study/prompts.parquet",
        counts=compared_counts,
        rust_agg=[] if STUDY.collector == "counts" else "<build>/rust_agg",
        code=TABLE_CODE,
    output:
        [f"<results>/study/tables/{{decoding}}/{name}" for name in table_names.pairs_table_names()],
    log:
        "<logs>/tabulate_pairs/{decoding}.log",
    wildcard_constraints:
        decoding=one_of(cell.decoding for cell in compared_cells(STUDY)),
    group:
        "tables"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=step_memory("tabulate"),
        runtime=step_minutes("tabulate"),
    params:
        script=pairs_script(),
        folder=output_folder,
        config=CONFIG_FILE,
        setting=lambda wildcards: compared_cell(wildcards.decoding).setting,
        limit=lambda wildcards: STUDY.setting(compared_cell(wildcards.decoding).setting).limit,
        models=lambda wildcards: [
            f"{pair} {STUDY.pairs[pair].model_dump_json()}"
            for pair in layout.compared_pairs(STUDY, wildcards.decoding)
        ],
    message:
        "Holding the pairs of {wildcards.decoding} side by side"
    shell:
        "specgap {params.script} {params.config:q} {input.prompts:q} {wildcards.decoding:q}"
        " {params.setting:q} {params.folder:q} {input.counts:q} 2> {log:q}"


for number, stems, decodings in alike(pairs_figures):

    rule:
        name:
            f"draw_pairs_figures{number}"
        input:
            prompts="<results>/study/prompts.parquet",
            tables=[f"<results>/study/tables/{{decoding}}/{table}.csv" for table in table_names.PAIRS_TABLES],
            code=sources("src/specgap/figures/*.py", "src/specgap/figures/*.mplstyle"),
        output:
            index="<results>/study/figures/{decoding}/index.json",
            figures=update(
                [
                    f"<results>/study/figures/{{decoding}}/{stem}.{end}"
                    for stem in stems
                    for end in ("pdf", "png")
                ]
            ),
        log:
            "<logs>/draw_pairs_figures/{decoding}.log",
        wildcard_constraints:
            decoding=one_of(decodings),
        group:
            "figures"
        conda:
            "../../envs/analysis.yaml"
        resources:
            mem_mb=step_memory("draw"),
            runtime=step_minutes("draw"),
        params:
            config=CONFIG_FILE,
            setting=lambda wildcards: compared_cell(wildcards.decoding).setting,
            specs=fixed(specs_as_json(FIGURES, ["pairs"])),
        message:
            "Drawing the pairs of {wildcards.decoding} side by side"
        shell:
            "specgap draw_figures.py {params.config:q} {input.prompts:q} {params.specs:q}"
            " all {wildcards.decoding:q} {params.setting:q} 2> {log:q}"
