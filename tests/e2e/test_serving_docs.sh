#!/usr/bin/env bash
# The commands of docs/serving.md, each as it stands there, on the stand-in model.
. "$(dirname "$0")/docs.sh"

# Other ports than the page's, so that it may run beside a server.
plain=$(free_port) secure=$(free_port)
page serving.md "s/8080/$plain/g; s/8443/$secure/g"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
MODEL=$SOURCE/examples/standin/model ADAPTER=$SOURCE/tests/golden/standin/adapter KEY=secret CERT=$T/cert.pem CERT_KEY=$T/key.pem

t "the page has its blocks" test -f "$T/block6" -a ! -f "$T/block7"
run 1
t "a server starts and is healthy" has "$(said 1)" Healthy
run 2
t "models" has "$(said 2)" '"id":"phi-3"'
t "a chat" has "$(said 2)" "Paris"
t "a stream with its role" has "$(said 2)" '"delta":{"role":"assistant","content":""}'
t "and its usage, and its end" has "$(said 2)" "data: [DONE]"
t "four completions" has "$(said 2)" '"index":3'
t "with log-probabilities" has "$(said 2)" '"token_logprobs"'
t "/chat" has "$(said 2)" '{"Result":"The sea'
t "/tokenize" has "$(said 2)" '"max_model_len":4096'
run 3
t "an adapter is loaded" has "$(said 3)" "Success: LoRA adapter 'tuned' added successfully."
t "answers" has "$(said 3)" '"model":"tuned"'
t "and is unloaded" has "$(said 3)" "Success: LoRA adapter 'tuned' removed successfully."
run 4
t "TLS and a key" has "$(said 4)" '"object":"list"'
t "without the key: 401" has "$(curl -s --cacert "$CERT" "https://127.0.0.1:$secure/v1/models" -w ' %{http_code}')" 401
run 5
t "Prometheus' metrics" has "$(said 5)" 'vllm:generation_tokens_total{'
t "the machine's" has "$(said 5)" '"cpu_info"'
run 6
t "an error names the field" has "$(said 6)" '"param":"top_p"'
known serving.md -- "$RUNTIME" serve
finish
