{{- define "kaito.fullname" -}}
{{- if contains "workspace" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-workspace{{ end }}
{{- end }}
{{- define "kaito.selectorLabels" -}}
app.kubernetes.io/name: workspace
app.kubernetes.io/instance: {{ .Release.Name }}
{{- with .Values.selectorLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- define "kaito.labels" -}}
{{ include "kaito.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- define "kaito.serviceAccount" -}}{{ .Values.serviceAccountName | default (printf "%s-sa" (include "kaito.fullname" .)) }}{{- end }}
{{- define "kaito.service" -}}{{ .Values.serviceName | default (printf "%s-svc" (include "kaito.fullname" .)) }}{{- end }}
{{- define "kaito.clusterRole" -}}{{ .Values.clusterRoleName | default (printf "%s-clusterrole" (include "kaito.fullname" .)) }}{{- end }}
{{- define "kaito.role" -}}{{ .Values.roleName | default (printf "%s-role" (include "kaito.fullname" .)) }}{{- end }}
{{- define "kaito.gates" -}}
{{- $out := list -}}
{{- range $name, $on := .Values.featureGates }}{{ $out = append $out (printf "%s=%v" $name $on) }}{{ end -}}
{{- join "," $out -}}
{{- end }}
{{- define "kaito.webhookConfiguration" -}}
{{- if .Values.watchNamespaces }}{{ include "kaito.fullname" . }}.{{ end }}validation.workspace.kaito.sh
{{- end }}
{{- define "kaito.workspaceRules" }}
- apiGroups: [kaito.sh]
  resources: [workspaces]
  verbs: [get, list, watch, patch]
- apiGroups: [kaito.sh]
  resources: [workspaces/status]
  verbs: [patch]
- apiGroups: [kaito.sh]
  resources: [workspaces/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [statefulsets, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
{{- if .Values.featureGates.ModelStreaming }}
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
{{- end }}
{{- end }}
