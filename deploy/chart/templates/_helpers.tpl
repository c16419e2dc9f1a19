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

{{/* Roles of two releases never have one name: no namespace and no release can have a colon in its name. */}}
{{- define "aggregator.scrapeRoleName" -}}
{{- printf "%s:%s" .Release.Namespace (include "aggregator.scrapeName" .) -}}
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
app.kubernetes.io/name: {{ include "aggregator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "aggregator.scrapeSelectorLabels" -}}
app.kubernetes.io/name: {{ include "aggregator.name" . | trunc 56 | trimSuffix "-" }}-scrape
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "aggregator.agentSelectorLabels" -}}
app.kubernetes.io/name: {{ include "aggregator.name" . | trunc 57 | trimSuffix "-" }}-agent
app.kubernetes.io/instance: {{ .Release.Name | quote }}
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
{{- $secrets := dict "PROMETHEUS_ADDRESS" (tpl .Values.aggregator.prometheus .) -}}
{{- with tpl (.Values.aggregator.keycloakPublicKey | default "") . -}}
{{- $_ := set $secrets "KEY" . -}}
{{- end -}}
{{- merge $secrets (.Values.aggregator.secrets | default dict) | toJson -}}
{{- end -}}

{{/* A Secret. The argument has the keys labels, name and secrets. */}}
{{- define "aggregator.secret" -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name | quote }}
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

{{/* The number of a quantity of Kubernetes, such as 512Mi or 100m. */}}
{{- define "aggregator.quantity" -}}
{{- $factors := dict "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- $unit := regexFind "[a-zA-Z]+$" (toString .) -}}
{{- mulf (float64 (trimSuffix $unit (toString .))) (get $factors $unit | default 1) -}}
{{- end -}}

{{/* Resources, without a request above its limit: the default request may be above the limit of the user. */}}
{{- define "aggregator.resources" -}}
{{- $resources := deepCopy (. | default dict) -}}
{{- range $name, $limit := $resources.limits | default dict -}}
{{- $request := get ($resources.requests | default dict) $name -}}
{{- if and $request (gt (include "aggregator.quantity" $request | float64) (include "aggregator.quantity" $limit | float64)) -}}
{{- $_ := set $resources.requests $name $limit -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* The names of the secret settings of a section, sorted, as JSON. The argument has the keys section and secrets. */}}
{{- define "aggregator.secretNames" -}}
{{- ternary (.section.existingSecretKeys | default list) (keys (.secrets | default dict)) (ne (.section.existingSecret | default "") "") | sortAlpha | toJson -}}
{{- end -}}

{{/* Conflicts between values that the schema cannot express. */}}
{{- define "aggregator.checkValues" -}}
{{- $values := .Values -}}
{{- $fullname := include "aggregator.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname) -}}
{{- fail (printf "the name of the gateway must be lower-case letters, digits and hyphens, and start with a letter, got %s: set fullnameOverride" $fullname) -}}
{{- end -}}
{{- range $values.volumes -}}
{{- if has .name (list "secret" "tls") -}}
{{- fail (printf "volumes must not have the name %s, which is that of a volume of the chart" .name) -}}
{{- end -}}
{{- end -}}
{{- $hasKey := or $values.aggregator.keycloakPublicKey (and $values.aggregator.existingSecret (has "KEY" ($values.aggregator.existingSecretKeys | default list))) -}}
{{- $hasIssuer := or $values.aggregator.issuer (hasKey ($values.aggregator.settings | default dict) "JWKS_URL") -}}
{{- if and $values.aggregator.enabled $hasKey $hasIssuer -}}
{{- fail "a key of tokens (aggregator.keycloakPublicKey, or KEY in aggregator.existingSecretKeys) and an issuer (aggregator.issuer, or aggregator.settings.JWKS_URL) are both set: remove one of them" -}}
{{- end -}}
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
{{- range $resource, $target := dict "cpu" $values.autoscaling.targetCPUUtilizationPercentage "memory" $values.autoscaling.targetMemoryUtilizationPercentage -}}
{{- $resources := $values.resources | default dict -}}
{{- if and $values.autoscaling.enabled $target (not (dig "requests" $resource "" $resources)) (not (dig "limits" $resource "" $resources)) -}}
{{- fail (printf "autoscaling by %s requires resources.requests.%s: the target is in percent of it" $resource $resource) -}}
{{- end -}}
{{- end -}}
{{- if and $values.aggregator.existingSecret (not (has "PROMETHEUS_ADDRESS" ($values.aggregator.existingSecretKeys | default list))) -}}
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
