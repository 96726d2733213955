{{- define "relay.app" -}}{{ default "claude-relay" .Values.nameOverride }}{{- end }}

{{- define "relay.full" -}}
{{- $app := include "relay.app" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains $app .Release.Name }}{{ .Release.Name }}
{{- else }}{{ .Release.Name }}-{{ $app }}{{ end -}}
{{- end }}

{{- define "redis.full" -}}
{{- if .Values.redis.fullnameOverride }}{{ .Values.redis.fullnameOverride }}
{{- else if contains "redis" .Release.Name }}{{ .Release.Name }}
{{- else }}{{ .Release.Name }}-redis{{ end -}}
{{- end }}

{{- define "relay.selector" -}}
app.kubernetes.io/name: {{ include "relay.app" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "redis.selector" -}}
app.kubernetes.io/name: redis
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "chart.labels" -}}
helm.sh/chart: claude-relay-0.1.24
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
