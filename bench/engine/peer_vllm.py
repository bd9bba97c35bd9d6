#!/usr/bin/env python3
"""vLLM's CPU backend in bf16: peer_vllm.py MODEL OPTIONS_JSON. Prefill is a request for one token; the answer is the rest of a longer one."""
import json, os, random, sys, time

o = json.loads(sys.argv[2])
os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_CPU_OMP_THREADS_BIND": f"0-{o['threads'] - 1}", "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
               "VLLM_LOGGING_LEVEL": "WARNING", "VLLM_NO_USAGE_STATS": "1"}


def go(llm, batch, prompt, steps):
    from vllm import SamplingParams, TokensPrompt
    prompts = [TokensPrompt(prompt_token_ids=[random.randrange(300, 600) for _ in range(prompt)]) for _ in range(batch)]
    began = time.perf_counter()
    llm.generate(prompts, SamplingParams(max_tokens=steps, min_tokens=steps, temperature=0, ignore_eos=True, detokenize=False), use_tqdm=False)
    return time.perf_counter() - began


def show(what, value):
    print(json.dumps({"what": what, "value": value}), flush=True)


def rates(llm, batch, prompt, steps):
    """(prompt, answer) in tokens per second."""
    one, all_of_it = go(llm, batch, prompt, 1), go(llm, batch, prompt, steps + 1)
    return batch * prompt / one, batch * steps / (all_of_it - one)


def main():
    from vllm import LLM
    llm = LLM(sys.argv[1], dtype="bfloat16", max_model_len=1024, max_num_seqs=8, max_num_batched_tokens=1024, enable_prefix_caching=False)
    go(llm, 1, 64, 4)
    for _ in range(o["runs"]):
        prefill, decode = rates(llm, 1, o["prompt"], o["steps"])
        show("prefill 16 bits", prefill)
        show("decode 16 bits", decode)
    for _ in range(o["stream_runs"]):
        show(f"{o['streams']} streams 16 bits", rates(llm, o["streams"], o["stream_prompt"], o["stream_steps"])[1])


if __name__ == "__main__":
    main()
