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
