"""Traces of real rounds: one job per pair, decoding, setting and group of shards."""


rule collect_traces:
    input:
        prompts=prompt_files,
        models=model_files,
    output:
        "<results>/traces/{pair}/{decoding}/{setting}/{job}.done.json",
    log:
        "<logs>/collect_traces/{pair}/{decoding}/{setting}/{job}.log",
    wildcard_constraints:
        setting=stored_names(replayed=False),
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    resources:
        gpu=STUDY.resources.gpu,
        mem_mb=memory(trace_needs),
        runtime=minutes(trace_needs),
    params:
        config=CONFIG_FILE,
        identity=trace_identity,
    message:
        "Tracing {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}, job {wildcards.job}"
    shell:
        "specgap collect_traces.py {params.config:q} {wildcards.pair:q}"
        " {wildcards.decoding:q} {wildcards.setting:q} {wildcards.job:q} 2> >(tee {log:q} >&2)"


# The clock's time, which no run measures unless it is asked for.
rule plain:
    input:
        prompts=prompt_files,
        models=model_files,
    output:
        plain="<results>/timings/{pair}/{decoding}/{setting}/plain.parquet",
        assisted="<results>/timings/{pair}/{decoding}/{setting}/assisted.parquet",
    log:
        "<logs>/plain/{pair}/{decoding}/{setting}.log",
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    resources:
        gpu=STUDY.resources.gpu,
        mem_mb=memory(timing_needs),
        runtime=minutes(timing_needs),
    params:
        config=CONFIG_FILE,
        identity=speed_identity,
    message:
        "Timing {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}, with and without the draft"
    shell:
        "specgap time_speed_up.py {params.config:q} {wildcards.pair:q} {wildcards.decoding:q}"
        " {wildcards.setting:q} {output.plain:q} {output.assisted:q} 2> >(tee {log:q} >&2)"
