{{- define "provisioner.name" -}}{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}{{- end }}
{{- define "provisioner.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "provisioner.name" .) .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name (include "provisioner.name" .) | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "provisioner.selectorLabels" -}}
app.kubernetes.io/name: {{ include "provisioner.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "provisioner.labels" -}}
{{ include "provisioner.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.additionalLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- define "provisioner.annotations" -}}
{{- with .Values.additionalAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- define "provisioner.serviceAccount" -}}{{ .Values.serviceAccount.name | default (ternary (include "provisioner.fullname" .) "default" .Values.serviceAccount.create) }}{{- end }}
{{- define "provisioner.image" -}}
{{- with .Values.controller.image }}{{ .repository }}:{{ .tag }}{{ if .digest }}@{{ .digest }}{{ end }}{{ end }}
{{- end }}
{{- define "provisioner.gates" -}}
{{- $out := list -}}
{{- range $name, $on := .Values.settings.featureGates }}{{ $out = append $out (printf "%s=%v" $name $on) }}{{ end -}}
{{- join "," $out -}}
{{- end }}
{{- define "provisioner.hasEnv" -}}{{ range (index . 0).Values.controller.env }}{{ if eq .name (index $ 1) }}yes{{ end }}{{ end }}{{- end }}
