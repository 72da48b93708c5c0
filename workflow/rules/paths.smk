"""What replay counts from, made by models: target paths and the draft's tails, once per pair and decoding."""


localrules:
    estimate,


rule collect_paths:
    input:
        prompts=prompt_files,
        models=model_files,
    output:
        "<results>/paths/{pair}/{decoding}/{job}.done.json",
    log:
        "<logs>/collect_paths/{pair}/{decoding}/{job}.log",
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    resources:
        gpu=STUDY.resources.gpu,
        mem_mb=memory(trace_needs),
        runtime=minutes(trace_needs),
    params:
        config=CONFIG_FILE,
        identity=path_identity,
    message:
        "Collecting paths of {wildcards.pair}, {wildcards.decoding}, job {wildcards.job}"
    shell:
        "specgap collect_paths.py {params.config:q} {wildcards.pair:q} {wildcards.decoding:q}"
        " {wildcards.job:q} 2> >(tee {log:q} >&2)"


rule collect_tails:
    input:
        prompts=prompt_files,
        models=model_files,
        paths="<results>/paths/{pair}/{decoding}/{job}.done.json",
        rust_agg="<build>/rust_agg",
    output:
        "<results>/tails/{pair}/{decoding}/{job}.done.json",
    log:
        "<logs>/collect_tails/{pair}/{decoding}/{job}.log",
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    resources:
        gpu=STUDY.resources.gpu,
        mem_mb=memory(trace_needs),
        runtime=minutes(trace_needs),
    params:
        config=CONFIG_FILE,
        identity=tail_identity,
    message:
        "Collecting tails of {wildcards.pair}, {wildcards.decoding}, job {wildcards.job}"
    shell:
        "specgap collect_tails.py {params.config:q} {wildcards.pair:q} {wildcards.decoding:q}"
        " {wildcards.job:q} 2> >(tee {log:q} >&2)"


rule estimate:
    input:
        prompts=[str(file) for file in prompt_sets.source_files(STUDY)],
        models=lambda wildcards: [file for name in STUDY.pairs for file in model_files(Cell(name, ""))],
        rust_agg="<build>/rust_agg",
    log:
        "<logs>/estimate.log",
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    params:
        config=CONFIG_FILE,
    message:
        "Timing the collectors on two prompts per group"
    shell:
        "specgap estimate.py {params.config:q} 2> >(tee {log:q} >&2)"
