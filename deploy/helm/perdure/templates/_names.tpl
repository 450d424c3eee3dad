{{- define "perdure.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "perdure.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "perdure.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "perdure.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of all objects. Takes the root. */}}
{{- define "perdure.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "perdure.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Of all processes; a role adds its app.kubernetes.io/component. */}}
{{- define "perdure.selector" -}}
app.kubernetes.io/name: {{ include "perdure.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "perdure.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "perdure.secret" -}}
{{- default (include "perdure.fullname" .) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "perdure.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "perdure.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The data of the Secret that the chart makes. */}}
{{- define "perdure.secretData" -}}
DATABASE_URL: {{ required "secrets.existingSecret or secrets.databaseUrl is needed: Perdure keeps its tasks in a Postgres of yours" .Values.secrets.databaseUrl | quote }}
{{- with .Values.secrets.databaseDirectUrl }}
DATABASE_DIRECT_URL: {{ . | quote }}
{{- end }}
{{- with .Values.secrets.redisUrl }}
REDIS_URL: {{ . | quote }}
{{- end }}
{{- with .Values.secrets.secretKey }}
PERDURE_SECRET_KEY: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "perdure.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "perdure.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}
