"""Of a study that is still being traced: the whole shards there are so far, in place of all of them."""


def gathered_shards(wildcards):
    """Return which shards there are of a run, and since when: more of them gather it again."""
    cell = Cell(wildcards.pair, wildcards.decoding, wildcards.get("setting", ""))
    return unfinished.stamps(STUDY, cell, unfinished.whole_results(STUDY))


def path_jobs(decoding):
    """Return the done files of a decoding's paths and tails, below the results folder."""
    cell = Cell("{pair}", "{decoding}")
    return [
        str(done_file(Path("<results>"), cell, job, kind))
        for kind in unfinished.kinds_of(STUDY, Cell("", decoding))
        for job in (jobs_of(decoding) if STUDY.replayed_settings_of(decoding) else ())
    ]


def round_jobs(setting):
    """Return a function of a decoding: the done files of this setting's real rounds."""
    cell = Cell("{pair}", "{decoding}", "{setting}")

    def files(decoding):
        runs = {run.setting for run in layout.run_cells(STUDY) if run.decoding == decoding}
        jobs = jobs_of(decoding, setting) if setting in runs else ()
        return [str(done_file(Path("<results>"), cell, job)) for job in jobs]

    return files


for number, done, decodings in alike(path_jobs):

    rule:
        name:
            f"gather_paths{number}"
        input:
            prompts="<results>/study/prompts.parquet",
            rust_agg="<build>/rust_agg",
        output:
            list(done),
        log:
            "<logs>/gather_paths/{pair}/{decoding}.log",
        wildcard_constraints:
            decoding=one_of(decodings),
        conda:
            "../../envs/analysis.yaml"
        params:
            config=CONFIG_FILE,
            shards=gathered_shards,
        message:
            "Taking over paths of {wildcards.pair}, {wildcards.decoding}"
        shell:
            "specgap gather.py {params.config:q} {input.prompts:q} {wildcards.pair:q} {wildcards.decoding:q} ''"
            " 2> >(tee {log:q} >&2)"


for place, setting in enumerate(dict.fromkeys(run.setting for run in layout.run_cells(STUDY) if run.setting)):
    for number, done, decodings in alike(round_jobs(setting)):

        rule:
            name:
                f"gather_rounds_{place}{number}"
            input:
                prompts="<results>/study/prompts.parquet",
                rust_agg="<build>/rust_agg",
            output:
                list(done),
            log:
                "<logs>/gather_rounds/{pair}/{decoding}/{setting}.log",
            wildcard_constraints:
                decoding=one_of(decodings),
                setting=one_of([setting]),
            conda:
                "../../envs/analysis.yaml"
            params:
                config=CONFIG_FILE,
                shards=gathered_shards,
            message:
                "Taking over rounds of {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
            shell:
                "specgap gather.py {params.config:q} {input.prompts:q} {wildcards.pair:q}"
                " {wildcards.decoding:q} {wildcards.setting:q} 2> >(tee {log:q} >&2)"


rule gather_measures:
    output:
        measures="<results>/prompts/{pair}.parquet",
        vocabulary="<results>/vocabularies/{pair}.parquet",
    log:
        "<logs>/gather_measures/{pair}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        whole=lambda wildcards: unfinished.measured_files(unfinished.whole_results(STUDY), wildcards.pair),
    message:
        "Taking over what {wildcards.pair} makes of the prompts"
    shell:
        "for at in 0 1; do whole=({params.whole:q}); to=({output:q});"
        ' cp "${{whole[at]}}" "${{to[at]}}.part"; mv "${{to[at]}}.part" "${{to[at]}}"; done 2> {log:q}'
