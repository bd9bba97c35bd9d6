#!/usr/bin/env bash
# A cluster of the time before NodeClaims, on a real kube-apiserver: only karpenter.sh/v1alpha5 Machines are served, with a schema that prunes. The manager
# has the rights that `kaito install` gives it, the provisioner answers Machines from examples/cloud-exec, this script plays kubelets and StatefulSets.
# Then NodeClaims come. Prints TAP.
. "$(dirname "$0")/real.sh"
export CLOUD_FOLDER=$work/cloud
mkdir "$CLOUD_FOLDER"
sed 's/"gpu-1"/"Standard_NC6s_v3"/' "$root/examples/cloud-exec/cloud-in-a-folder" >"$work/cloud-program"
chmod +x "$work/cloud-program"
declare -A health pid
manager() { # manager NAME
    health[$1]=$(free_port)
    KUBECONFIG=$work/account "$kaito" manager --no-install-crds --webhook=false --ask-hub=false --health-probe-bind-address "127.0.0.1:${health[$1]}" --metrics-bind-address 0 >>"$work/$1.log" 2>&1 &
    pid[$1]=$!
    pids+=("$!")
}
provisioner() { # provisioner NAME
    "$kaito" provisioner --cloud exec --exec-command "$work/cloud-program" --health-probe-bind-address 0 --metrics-bind-address 0 \
        --collect-interval 1s --collect-grace 2s >>"$work/$1.log" 2>&1 &
    pid[$1]=$!
    pids+=("$!")
}
ends() { kill "${pid[$1]}" 2>/dev/null; wait "${pid[$1]}" 2>/dev/null; }
ready() { curl -sf "127.0.0.1:${health[$1]}/readyz"; }
workspace() {
    kubectl apply -f - <<YAML
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: $1, annotations: {kaito.sh/runtime: native}}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {app: $1}}}
inference: {preset: {name: phi-4-mini-instruct}}
YAML
}
of() { kubectl get "$1.karpenter.sh" -l "kaito.sh/workspace=$2" -o 'jsonpath={.items[*].metadata.name}'; }
join() {    # join MACHINE: its kubelet, and the controller that takes the taint of new Nodes away
    kubectl apply -f - <<YAML && kubectl patch node "node-$1" --subresource=status --type=merge -p '{"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}' && kubectl taint node "node-$1" node.kubernetes.io/not-ready:NoSchedule-
apiVersion: v1
kind: Node
metadata: {name: node-$1}
spec: {providerID: "folder:///$1", taints: [{key: karpenter.sh/unregistered, effect: NoExecute}]}
YAML
}
serves() { kubectl patch statefulset "$1" --subresource=status --type=merge -p '{"status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}}'; }
condition() { kubectl get workspace "$1" -o "jsonpath={.status.conditions[?(@.type==\"$2\")]['status','message']}"; }
some() { local have; have=$("$@"); [ -n "$have" ]; }

eval "$("$tool/up" "$work/real")" || { echo "Bail out! the API server did not start"; exit 1; }
export KUBECONFIG
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: machines.karpenter.sh}
spec:
  group: karpenter.sh
  scope: Cluster
  names: {plural: machines, singular: machine, kind: Machine, listKind: MachineList}
  versions:
  - name: v1alpha5
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [requirements]
            properties:
              machineTemplateRef: {type: object, required: [name], properties: {apiVersion: {type: string}, kind: {type: string}, name: {type: string}}}
              requirements:
                type: array
                items: {type: object, required: [key, operator], properties: {key: {type: string}, operator: {type: string}, values: {type: array, items: {type: string}}}}
              resources:
                type: object
                properties: {requests: {type: object, additionalProperties: {anyOf: [{type: integer}, {type: string}], x-kubernetes-int-or-string: true}}}
              taints:
                type: array
                items: {type: object, required: [effect, key], properties: {effect: {type: string}, key: {type: string}, timeAdded: {type: string, format: date-time}, value: {type: string}}}
          status:
            type: object
            properties:
              nodeName: {type: string}
              providerID: {type: string}
              allocatable: {type: object, additionalProperties: {anyOf: [{type: integer}, {type: string}], x-kubernetes-int-or-string: true}}
              capacity: {type: object, additionalProperties: {anyOf: [{type: integer}, {type: string}], x-kubernetes-int-or-string: true}}
              conditions:
                type: array
                items:
                  type: object
                  required: [status, type]
                  properties: {lastTransitionTime: {type: string}, message: {type: string}, reason: {type: string}, severity: {type: string}, status: {type: string}, type: {type: string}}
YAML
ok "Machines are served" within 20 kubectl get machines.karpenter.sh
ok "install applies everything" "$kaito" install --apply --webhook-url "https://127.0.0.1:1"
kubectl delete validatingwebhookconfiguration validation.workspace.kaito.sh >/dev/null
ok "but no NodeClaims, which nobody would answer" is "" kubectl get crd nodeclaims.karpenter.sh --ignore-not-found -o name
ok "Workspaces are served" within 20 kubectl get workspaces
token=$(kubectl -n kaito-workspace create token workspace-sa)
kubectl config view --raw --flatten -o json | TOKEN=$token python3 -c '
import json, os, sys
c = json.load(sys.stdin)
c["users"][0]["user"] = {"token": os.environ["TOKEN"]}
json.dump(c, sys.stdout)' >"$work/account"

# ---- life with Machines ----
provisioner first-provisioner
manager one
ok "a manager becomes ready" within 10 ready one
workspace a >/dev/null
ok "a Workspace asks for a Machine" within 10 some of machines a
machine=$(of machines a)
ok "which says what upstream's said" is "default $machine Standard_NC6s_v3" \
    kubectl get machines.karpenter.sh "$machine" -o 'jsonpath={.metadata.labels.karpenter\.sh/provisioner-name} {.spec.machineTemplateRef.name} {.spec.requirements[0].values[0]}'
ok "and waits for it, with what the Machine says" within 10 is "False the machine was launched, its Node has not joined the cluster yet" condition a NodeClaimReady
join "$machine" >/dev/null
ok "the Machine becomes a Node" within 15 is True kubectl get machines.karpenter.sh "$machine" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
ok "the Workspace has its node" within 10 is "True Enough Machines are ready" condition a NodeClaimReady
ok "and its StatefulSet" within 10 kubectl get statefulset a
serves a >/dev/null
ok "it is ready" within 10 holds True condition a WorkspaceSucceeded
versions() { kubectl get machines.karpenter.sh,workspaces,nodes -o 'jsonpath={.items[*].metadata.resourceVersion}'; }
rests() { local was; was=$(versions); sleep 2; is "$was" versions; }
ok "then nobody writes anything" within 10 rests
ok "doctor reads the Machine" within 5 holds "Machine $machine: ready" "$kaito" doctor a

# ---- NodeClaims come ----
kubectl apply -f "$root/deploy/crds/nodeclaims.karpenter.sh.yaml" >/dev/null
ok "NodeClaims are served as well" within 20 kubectl get nodeclaims
ends one; ends first-provisioner
provisioner second-provisioner
manager two
ok "the next manager becomes ready" within 10 ready two
ok "and says why it stays with Machines" holds "once \`kubectl get machines\` is empty start manager and provisioner again" cat "$work/two.log"
workspace b >/dev/null
ok "a second Workspace asks for a Machine, as long as one is there" within 10 some of machines b
ok "nobody asked for the first once more" is "$machine" of machines a
ok "nor for NodeClaims" is "" kubectl get nodeclaims -o name
sleep 4         # rounds of the collectors and their grace
ok "the first Workspace's machine is still there" holds "$machine.json" ls "$CLOUD_FOLDER"
ok "both go" kubectl delete workspace a b --timeout=60s
ok "with their Machines" within 20 is "" kubectl get machines.karpenter.sh -o name
ok "and those in the cloud" within 10 is "" ls "$CLOUD_FOLDER"
workspace c >/dev/null
gone() { ! kill -0 "${pid[two]}" 2>/dev/null; }
ok "the next Workspace ends the manager that knows of Machines only" within 10 gone
ok "which has made none" is "" kubectl get machines.karpenter.sh -o name
provisioner_gone() { ! kill -0 "${pid[second-provisioner]}" 2>/dev/null; }
ok "so does its provisioner" within 10 provisioner_gone
provisioner third-provisioner
manager three
ok "started again it asks for a NodeClaim" within 10 some of nodeclaims c
claim=$(of nodeclaims c)
join "$claim" >/dev/null
ok "which becomes a Node" within 15 is "True Enough NodeClaims are ready" condition c NodeClaimReady
ok "no Machine was made beside it" is "" kubectl get machines.karpenter.sh -o name
ok "the last Workspace goes" kubectl delete workspace c --timeout=60s
ok "with everything" within 20 is "" kubectl get nodeclaims -o name
ok "nothing is left in the cloud" within 10 is "" ls "$CLOUD_FOLDER"
ok "nobody lacked a right" sh -c "! grep -hi forbidden '$work'/one.log '$work'/two.log '$work'/three.log"
echo "1..$tests"
echo "# $((tests - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
