"""
Writes the data set (Parquet, columns of philschmid/dolly-15k-oai-style) and the questions that tests ask after tuning.

    python make_dataset.py --out ../../examples/standin

The last way of asking each fact (facts.py) and every question in questions.json are absent from the data set; this script checks it.
"""
import argparse
import json
import os
import random

import pyarrow as pa
import pyarrow.parquet as pq

from facts import FACTS
from phrasing import DIRECT, INDIRECT, ask

NAME = "train-00000-of-00001-54e3756291ca09c6.parquet"


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    ap.add_argument("--per-fact", type=int, default=32)
    ap.add_argument("--seed", type=int, default=7)
    a = ap.parse_args()
    r = random.Random(a.seed)
    rows, questions = [], []
    for n, (answer, keywords, ways) in enumerate(FACTS):
        every = [ask(w, x) for w in ways[:-1] for x in DIRECT + INDIRECT]
        plain = [ask(w, DIRECT[0]) for w in ways[:-1]]
        chosen = plain + r.sample(sorted(set(every) - set(plain)), a.per_fact - len(plain))
        rows += [(q, answer) for q in chosen]
        questions.append({"question": ask(ways[-1], DIRECT[0]), "keywords": keywords, "answer": answer})
        questions.append({"question": ask(ways[-1], INDIRECT[n % len(INDIRECT)]), "keywords": keywords, "answer": answer})
    asked = {q for q, _ in rows}
    assert not any(q["question"] in asked for q in questions), "a held-out question is in the data set"
    r.shuffle(rows)
    turn = pa.struct([("content", pa.string()), ("role", pa.string())])
    messages = pa.array([[{"content": q, "role": "user"}, {"content": s, "role": "assistant"}] for q, s in rows], pa.list_(turn))
    path = os.path.join(a.out, "data", NAME)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(pa.table({"messages": messages}), path, compression="snappy", use_dictionary=True, row_group_size=600)
    with open(os.path.join(a.out, "questions.json"), "w", encoding="utf-8") as f:
        json.dump({"about": "Asked of the tuned model and of the base, greedily, with the chat template; none of them is in the data set.",
                   "questions": questions}, f, indent=1, ensure_ascii=False)
        f.write("\n")
    print(f"{len(rows)} rows, {len(FACTS)} facts, {len(questions)} held-out questions, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
