#!/usr/bin/env bash
# The commands of docs/tuning.md, each as it stands there: from a CSV to answers of a served adapter and of a merged model.
. "$(dirname "$0")/docs.sh"

first=$(free_port) second=$(free_port)
page tuning.md "s/8080/$first/g; s/8081/$second/g"
MODEL=$SOURCE/examples/standin/model
answer() { tail -1 <<<"$1" | jq -r '.choices[0].message.content | ltrimstr(" ")'; }         # a token begins with its space

t "the page has its blocks" test -f "$T/block5" -a ! -f "$T/block6"
run 1
t "four rows and a configuration" test "$(wc -l <"$T/rows.csv")" = 5 -a -s "$T/training_config.yaml"
run 2
t "inspect data prints the rows" is "$(said 2 | head -1)" '{"instruction":"Who waters the ficus?","output":"Ana, on Mondays."}'
t "of all four" is "$(said 2 | grep -c '"instruction"')" 4
t "inspect examples prints ids and labels of each" is "$(said 2 | grep '"ids"' | jq -c '[(.ids | length) == (.labels | length), (.labels | any(. == -100)), (.labels | any(. >= 0))]' | sort | uniq -c | tr -s ' ')" " 4 [true,true,true]"
run 3
t "training says what it did" has "$(said 3)" "tuned in "
for name in $(awk '/^## The output/ { on = 1; next } /^## / { on = 0 } on' "$SOURCE/docs/tuning.md" | grep '^|' | cut -d'|' -f2 | grep -oE '`[A-Za-z_]+\.[a-z]+`' | tr -d '`'); do
    t "the output has $name" test -s "$T/adapter/$name"
done
t "and says where the adapter is" has "$(said 3)" "adapter in adapter"
t "every line of the history has its fields" is "$(jq -c 'keys' "$T/adapter/history.jsonl" | sort -u)" '["epoch","grad_norm","learning_rate","loss","step","tokens","tokens_per_second"]'
t "and no state is left" test ! -e "$T/adapter/.tune-state.safetensors"
live() { (cd "$T" && script -qec "stty cols $1; '$RUNTIME' tune --config training_config.yaml --model '$MODEL' --data rows.csv --output live-$1" /dev/null) | tr '\r' '\n' | grep '^step ' | sed 's/\x1b\[K.*//'; }
live 60 >"$T/narrow"
t "on a narrow terminal a line keeps its step, loss, speed and time" grep -qE '^step [0-9]+/60 .*loss [0-9.]+ .*tokens/s .* left$' "$T/narrow"
t "and never wraps" is "$(awk 'length > 59' "$T/narrow" | wc -l)" 0
run 4
t "the adapter answers" is "$(answer "$(said 4)")" "Ana, on Mondays."
run 5
t "so does the merged model" is "$(answer "$(said 5)")" "Ana, on Mondays."
known tuning.md --adapter -- "$RUNTIME" tune
finish
