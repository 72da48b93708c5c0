"""Pairs side by side: tables and figures over all pairs, at the main setting of each decoding that has several."""


rule tabulate_pairs:
    input:
        prompts="<results>/study/prompts.parquet",
        states=compared_states,
        rust_agg="<build>/rust_agg",
        code=TABLE_CODE,
    output:
        [f"<results>/tables/all/{{decoding}}/{{setting}}/{name}" for name in table_names.pairs_table_names()],
    log:
        "<logs>/tabulate_pairs/{decoding}/{setting}.log",
    wildcard_constraints:
        decoding=one_of(cell.decoding for cell in compared_cells(STUDY)),
        setting=one_of({cell.setting: None for cell in compared_cells(STUDY)}),
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
        models=lambda wildcards: [
            f"{pair} {STUDY.pairs[pair].model_dump_json()}"
            for pair in layout.compared_pairs(STUDY, wildcards.decoding)
        ],
    message:
        "Holding the pairs of {wildcards.decoding}, {wildcards.setting}, side by side"
    shell:
        "specgap tabulate_pairs.py {params.config:q} {input.prompts:q}"
        " {wildcards.decoding:q} {wildcards.setting:q} {params.folder:q} 2> {log:q}"


for number, stems, decodings in alike(pairs_figures):
    workflow.ruleorder("draw_figure", f"draw_pairs_figures{number}")

    rule:
        name:
            f"draw_pairs_figures{number}"
        input:
            prompts="<results>/study/prompts.parquet",
            tables=[
                f"<results>/tables/all/{{decoding}}/{{setting}}/{table}.csv"
                for table in table_names.PAIRS_TABLES
            ],
            code=sources("src/specgap/figures/*.py", "src/specgap/figures/*.mplstyle"),
        output:
            index="<results>/figures/all/{decoding}/{setting}/index.json",
            figures=update(
                [
                    f"<results>/figures/all/{{decoding}}/{{setting}}/{stem}.{end}"
                    for stem in stems
                    for end in ("pdf", "png")
                ]
            ),
        log:
            "<logs>/draw_pairs_figures/{decoding}/{setting}.log",
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
            specs=fixed(specs_as_json(FIGURES, ["pairs"])),
        message:
            "Drawing the pairs of {wildcards.decoding}, {wildcards.setting}, side by side"
        shell:
            "specgap draw_figures.py {params.config:q} {input.prompts:q} {params.specs:q}"
            " all {wildcards.decoding:q} {wildcards.setting:q} 2> {log:q}"
