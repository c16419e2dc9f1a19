{{/* The names are those that `helm create` generates, as in the chart of the Go service: an upgrade keeps the objects. */}}
{{- define "aggregator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "aggregator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "aggregator.scrapeName" -}}
{{- printf "%s-scrape" (include "aggregator.fullname" . | trunc 56 | trimSuffix "-") -}}
{{- end -}}

{{- define "aggregator.agentName" -}}
{{- printf "%s-agent" (include "aggregator.fullname" . | trunc 57 | trimSuffix "-") -}}
{{- end -}}

{{- define "aggregator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "aggregator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels by which Services and Deployments select pods. They cannot change in an upgrade. */}}
{{- define "aggregator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "aggregator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "aggregator.scrapeSelectorLabels" -}}
app.kubernetes.io/name: {{ include "aggregator.name" . }}-scrape
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "aggregator.agentSelectorLabels" -}}
app.kubernetes.io/name: {{ include "aggregator.name" . }}-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "aggregator.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "aggregator.labels" -}}
{{ include "aggregator.selectorLabels" . }}
{{ include "aggregator.commonLabels" . }}
{{- end -}}

{{- define "aggregator.scrapeLabels" -}}
{{ include "aggregator.scrapeSelectorLabels" . }}
{{ include "aggregator.commonLabels" . }}
{{- end -}}

{{- define "aggregator.agentLabels" -}}
{{ include "aggregator.agentSelectorLabels" . }}
{{ include "aggregator.commonLabels" . }}
{{- end -}}

{{- define "aggregator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "aggregator.imagePullSecrets" -}}
{{- $global := .Values.global | default dict -}}
{{- with .Values.imagePullSecrets | default $global.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The key of a secret setting in a Secret: PROMETHEUS_ADDRESS is prometheus-address. */}}
{{- define "aggregator.secretKey" -}}
{{- . | lower | replace "_" "-" -}}
{{- end -}}

{{/* The secrets of the gateway by name, as JSON. */}}
{{- define "aggregator.gatewaySecrets" -}}
{{- $secrets := dict "PROMETHEUS_ADDRESS" (tpl (required "aggregator.prometheus must be the URL of Prometheus or Thanos Query" .Values.aggregator.prometheus) .) -}}
{{- with tpl (.Values.aggregator.keycloakPublicKey | default "") . -}}
{{- $_ := set $secrets "KEY" . -}}
{{- end -}}
{{- merge $secrets .Values.aggregator.secrets | toJson -}}
{{- end -}}

{{/* A Secret. The argument has the keys labels, name and secrets. */}}
{{- define "aggregator.secret" -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  labels:
    {{- .labels | nindent 4 }}
stringData:
  {{- range $name, $text := .secrets }}
  {{ include "aggregator.secretKey" $name }}: {{ $text | quote }}
  {{- end }}
{{- end -}}

{{/* The variables of settings and of secret files. The argument has the keys settings and secretNames. */}}
{{- define "aggregator.environment" -}}
{{- range $name, $value := .settings }}
- name: {{ $name }}
  value: {{ ternary (int64 $value | toString) $value (kindIs "float64" $value) | quote }}
{{- end }}
{{- range .secretNames }}
- name: {{ . }}_FILE
  value: /etc/aggregator/secret/{{ include "aggregator.secretKey" . }}
{{- end }}
{{- end -}}

{{/* The names of the secret settings of a section, sorted, as JSON. The argument has the keys section and secrets. */}}
{{- define "aggregator.secretNames" -}}
{{- ternary .section.existingSecretKeys (keys .secrets) (ne .section.existingSecret "") | sortAlpha | toJson -}}
{{- end -}}

{{/* Conflicts between values that the schema cannot express. */}}
{{- define "aggregator.checkValues" -}}
{{- $values := .Values -}}
{{- if and $values.aggregator.enabled (eq (int $values.service.port) (int $values.service.grpcPort)) -}}
{{- fail (printf "service.port and service.grpcPort must differ, got %d for both" (int $values.service.port)) -}}
{{- end -}}
{{- if has (int $values.aggregator.metricsPort) (list 8080 8181) -}}
{{- fail (printf "aggregator.metricsPort must not be 8080 or 8181, the ports of the APIs in the pod, got %d" (int $values.aggregator.metricsPort)) -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (gt (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas must be at most autoscaling.maxReplicas, got %d and %d" (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (not $values.autoscaling.targetCPUUtilizationPercentage) (not $values.autoscaling.targetMemoryUtilizationPercentage) -}}
{{- fail "autoscaling.enabled requires autoscaling.targetCPUUtilizationPercentage or autoscaling.targetMemoryUtilizationPercentage" -}}
{{- end -}}
{{- if and $values.aggregator.existingSecret (not (has "PROMETHEUS_ADDRESS" $values.aggregator.existingSecretKeys)) -}}
{{- fail "aggregator.existingSecretKeys must contain PROMETHEUS_ADDRESS if aggregator.existingSecret is set" -}}
{{- end -}}
{{- if and $values.aggregator.existingSecret $values.aggregator.keycloakPublicKey -}}
{{- fail "aggregator.keycloakPublicKey has no effect if aggregator.existingSecret is set: store it in that Secret as key, and add KEY to aggregator.existingSecretKeys" -}}
{{- end -}}
{{- range $section := list "aggregator" "scrape" "agent" -}}
{{- $part := index $values $section -}}
{{- if and $part.existingSecret $part.secrets -}}
{{- fail (printf "%s.secrets has no effect if %s.existingSecret is set: store them in that Secret, and list their names in %s.existingSecretKeys" $section $section $section) -}}
{{- end -}}
{{- if and $part.existingSecret (not $part.existingSecretKeys) -}}
{{- fail (printf "%s.existingSecretKeys must list the settings that the Secret contains if %s.existingSecret is set" $section $section) -}}
{{- end -}}
{{- end -}}
{{- if and $values.agent.enabled (not $values.scrape.enabled) (not $values.agent.masters) -}}
{{- fail "agent.enabled requires scrape.enabled, or agent.masters with the address of another scrape server" -}}
{{- end -}}
{{- if eq (int $values.scrape.service.port) 5000 -}}
{{- fail "scrape.service.port must not be 5000, which the Service always has; got 5000" -}}
{{- end -}}
{{- if and $values.networkPolicy.enabled $values.agent.enabled $values.scrape.enabled (not $values.networkPolicy.nodes) -}}
{{- fail "networkPolicy.nodes must contain the networks of the nodes if networkPolicy.enabled and agent.enabled are set: agents report to the scrape server from there" -}}
{{- end -}}
{{- end -}}
