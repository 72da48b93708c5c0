"""Figures: all of a cell by one process, or one by itself when it is asked for by name.

The main setting of a decoding has the whole set, others few of it (`figures.whole_set`).
"""


ruleorder: draw_figure > draw_figures > draw_figures_greedy > draw_few_figures > draw_few_figures_greedy


rule draw_figures:
    input:
        prompts="<results>/study/prompts.parquet",
        tables=[
            f"<results>/tables/{{pair}}/{{decoding}}/{{setting}}/{name}"
            for name in table_names.only_csv(drawn_tables())
        ],
        code=sources("src/specgap/figures/*.py", "src/specgap/figures/*.mplstyle"),
    output:
        index="<results>/figures/{pair}/{decoding}/{setting}/index.json",
        # Kept when the rule runs again: a figure that nothing has changed is not redrawn.
        figures=update(figure_files(cells_with_figures("sampled", whole=True))),
    log:
        "<logs>/draw_figures/{pair}/{decoding}/{setting}.log",
    wildcard_constraints:
        setting=setting_of(cells_with_figures("sampled", whole=True)),
    group:
        "figures"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=step_memory("draw"),
        runtime=step_minutes("draw"),
    params:
        config=CONFIG_FILE,
        specs=fixed(specs_as_json(FIGURES, ["cell", "group"])),
    message:
        "Drawing {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "specgap draw_figures.py {params.config:q} {input.prompts:q} {params.specs:q}"
        " {wildcards.pair:q} {wildcards.decoding:q} {wildcards.setting:q} 2> {log:q}"


use rule draw_figures as draw_figures_greedy with:
    output:
        index="<results>/figures/{pair}/{decoding}/{setting}/index.json",
        figures=update(figure_files(cells_with_figures("greedy", whole=True))),
    wildcard_constraints:
        setting=setting_of(cells_with_figures("greedy", whole=True)),


use rule draw_figures as draw_few_figures with:
    input:
        prompts="<results>/study/prompts.parquet",
        tables=[f"<results>/tables/{{pair}}/{{decoding}}/{{setting}}/{name}" for name in few_tables()],
        code=sources("src/specgap/figures/*.py", "src/specgap/figures/*.mplstyle"),
    output:
        index="<results>/figures/{pair}/{decoding}/{setting}/index-few.json",
        figures=update(figure_files(cells_with_figures("sampled", whole=False))),
    wildcard_constraints:
        setting=setting_of(cells_with_figures("sampled", whole=False)),
    params:
        config=CONFIG_FILE,
        specs=fixed(specs_as_json(few_specs(), ["cell", "group"])),


use rule draw_few_figures as draw_few_figures_greedy with:
    output:
        index="<results>/figures/{pair}/{decoding}/{setting}/index-few.json",
        figures=update(figure_files(cells_with_figures("greedy", whole=False))),
    wildcard_constraints:
        setting=setting_of(cells_with_figures("greedy", whole=False)),


for number, stems, decodings in alike(settings_figures):
    workflow.ruleorder("draw_figure", f"draw_settings_figures{number}")

    rule:
        name:
            f"draw_settings_figures{number}"
        input:
            prompts="<results>/study/prompts.parquet",
            tables=[
                f"<results>/tables/{{pair}}/{{decoding}}/all/{table}.csv"
                # The header's facts are read from `settings`, whatever is drawn.
                for table in dict.fromkeys(
                    ["settings", *(t for spec in FIGURES if spec.id in stems for t in spec.tables)]
                )
            ],
            code=sources("src/specgap/figures/*.py", "src/specgap/figures/*.mplstyle"),
        output:
            index="<results>/figures/{pair}/{decoding}/all/index.json",
            figures=update(with_endings("all", stems)),
        log:
            "<logs>/draw_settings_figures/{pair}/{decoding}.log",
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
            specs=fixed(specs_as_json(FIGURES, ["settings"])),
        message:
            "Drawing all settings of {wildcards.pair}, {wildcards.decoding}"
        shell:
            "specgap draw_figures.py {params.config:q} {input.prompts:q} {params.specs:q}"
            " {wildcards.pair:q} {wildcards.decoding:q} all 2> {log:q}"


rule draw_figure:
    input:
        prompts="<results>/study/prompts.parquet",
        tables=figure_tables,
        code=figure_code,
    output:
        "<results>/figures/{pair}/{decoding}/{setting}/{figure}.pdf",
        "<results>/figures/{pair}/{decoding}/{setting}/{figure}.png",
    log:
        "<logs>/draw_figure/{pair}/{decoding}/{setting}/{figure}.log",
    wildcard_constraints:
        setting="[^/]+",
    group:
        "figures"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=step_memory("draw"),
        runtime=step_minutes("draw"),
    params:
        config=CONFIG_FILE,
        spec=lambda wildcards: specs_as_json([figure_spec(wildcards)], ["cell", "group", "settings"]),
    message:
        "Drawing {wildcards.figure} of {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "specgap draw_figures.py {params.config:q} {input.prompts:q} {params.spec:q}"
        " {wildcards.pair:q} {wildcards.decoding:q} {wildcards.setting:q} --only {wildcards.figure:q} 2> {log:q}"


rule figures:
    input:
        [
            f"<results>/figures/{cell.folder}/{figure_plan.index_name(STUDY, cell)}"
            for cell in drawn_cells(STUDY)
        ],
        [f"<results>/study/figures/{cell.decoding}/index.json" for cell in compared_cells(STUDY)],


include: "pairs.smk"
