"""Traces: one job per pair, decoding, setting and group of shards."""


rule collect_traces:
    input:
        prompts=prompt_files,
        models=model_files,
    output:
        "<results>/traces/{pair}/{decoding}/{setting}/{job}.done.json",
    log:
        "<logs>/collect_traces/{pair}/{decoding}/{setting}/{job}.log",
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    resources:
        gpu=STUDY.resources.gpu,
    params:
        config=CONFIG_FILE,
        identity=trace_identity,
    message:
        "Tracing {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}, job {wildcards.job}"
    shell:
        "python scripts/collect_traces.py {params.config:q} {wildcards.pair:q}"
        " {wildcards.decoding:q} {wildcards.setting:q} {wildcards.job:q} 2> >(tee {log:q} >&2)"
