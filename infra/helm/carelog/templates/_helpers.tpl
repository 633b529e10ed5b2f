{{- define "carelog.fullname" -}}
{{- if contains "carelog" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-carelog" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{- define "carelog.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* Labels of everything; with a service, those that select its pods. Called with (dict "root" $ "service" "gateway"). */}}
{{- define "carelog.selector" -}}
app.kubernetes.io/name: carelog
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "carelog.labels" -}}
{{ include "carelog.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* The addresses of all writers, each by its own name. */}}
{{- define "carelog.writers" -}}
{{- $name := include "carelog.fullname" . -}}
{{- $writers := list -}}
{{- range $index := until (int .Values.writer.replicas) }}{{ $writers = append $writers (printf "%s-writer-%d.%s-writer:8090" $name $index $name) }}{{ end -}}
{{- join "," $writers -}}
{{- end -}}

{{- define "carelog.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: { name: {{ .secret.name | quote }}, key: {{ .secret.key | quote }} }
{{ end -}}

{{/* The environment of a service. */}}
{{- define "carelog.env" -}}
{{- $values := .root.Values -}}
{{- $isService := ne .service "migrate" -}}
- { name: CARELOG_URL, value: {{ $values.publicUrl | quote }} }
- { name: CARELOG_KAFKA_BROKERS, value: {{ join "," $values.kafka.brokers | quote }} }
- { name: CARELOG_KAFKA_TOPIC, value: {{ $values.kafka.topic | quote }} }
- { name: CARELOG_KAFKA_LANES, value: {{ $values.kafka.lanes | quote }} }
- { name: CARELOG_KAFKA_REPLICAS, value: {{ $values.kafka.replicas | quote }} }
- { name: CARELOG_KAFKA_TLS, value: {{ ternary "on" "off" $values.kafka.tls | quote }} }
{{- with $values.secrets.kafka }}{{ if .name }}
{{- if .caKey }}
- { name: CARELOG_KAFKA_CA_FILE, value: {{ printf "/run/carelog/%s" .caKey | quote }} }
{{- end }}
{{- if .certificateKey }}
- { name: CARELOG_KAFKA_CERTIFICATE_FILE, value: {{ printf "/run/carelog/%s" .certificateKey | quote }} }
- { name: CARELOG_KAFKA_KEY_FILE, value: {{ printf "/run/carelog/%s" .keyKey | quote }} }
{{- end }}
{{- if $values.kafka.sasl }}
- { name: CARELOG_KAFKA_SASL, value: {{ $values.kafka.sasl | quote }} }
- { name: CARELOG_KAFKA_USER, value: {{ .userName | quote }} }
- { name: CARELOG_KAFKA_PASSWORD_FILE, value: {{ printf "/run/carelog/%s" .passwordKey | quote }} }
{{- end }}
{{- end }}{{ end }}
- { name: CARELOG_KEYRING_MASTER_KEY_FILE, value: {{ printf "/run/carelog/%s" $values.secrets.masterKey.key | quote }} }
- { name: CARELOG_SERVICE_KEY_FILE, value: {{ printf "/run/carelog/%s" $values.secrets.serviceKey.key | quote }} }
{{- if eq .service "gateway" }}
- { name: CARELOG_WRITERS, value: {{ include "carelog.writers" .root | quote }} }
{{- end }}
{{- if $isService }}
# So that nobody is sent here any more before it stops accepting.
- { name: CARELOG_DRAIN_SECONDS, value: "5" }
- { name: CARELOG_EMBEDDED_IDENTITY, value: "off" }
- { name: CARELOG_ISSUERS, value: /etc/carelog/issuers.json }
{{- end }}
{{- if $values.tracing.endpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ $values.tracing.endpoint | quote }} }
- { name: OTEL_SERVICE_NAME, value: {{ printf "carelog-%s" .service | quote }} }
- { name: OTEL_TRACES_SAMPLER_ARG, value: {{ $values.tracing.share | quote }} }
{{- end }}
{{- range $name, $value := $values.settings }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{ if $isService -}}
{{- $database := index $values.secrets.database .service -}}
{{- range $part := list "LOG" "ACCESS_LOG" "READ_MODELS" "DISTRIBUTION" "KEYRING" -}}
{{ include "carelog.fromSecret" (dict "name" (printf "CARELOG_%s_URL" $part) "secret" $database) -}}
{{ end -}}
{{ else -}}
{{ include "carelog.fromSecret" (dict "name" "CARELOG_OWNER_URL" "secret" $values.secrets.owner) -}}
{{ end -}}
{{- end -}}

{{- define "carelog.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "carelog.mounts" -}}
- { name: keys, mountPath: /run/carelog, readOnly: true }
- { name: temporary, mountPath: /tmp }
- { name: issuers, mountPath: /etc/carelog, readOnly: true }
{{- if eq .service "gateway" }}
- { name: journal, mountPath: /data }
{{- end }}
{{- end -}}

{{/* A pod of a service: (dict "root" $ "service" "gateway" "resources" …). */}}
{{- define "carelog.pod" -}}
{{- $values := .root.Values -}}
automountServiceAccountToken: false
serviceAccountName: {{ include "carelog.fullname" .root }}{{ if eq .service "migrate" }}-migrate{{ end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with $values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: 30
{{- if ne .service "migrate" }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "carelog.selector" . | nindent 8 }}
{{- end }}
initContainers:
  # Keys must be open to nobody else; what Kubernetes hands to a user that is not root is open to its group.
  - name: keys
    image: {{ include "carelog.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    command: [sh, -c, "umask 077 && cp -L /secrets/* /run/carelog/ && chmod 400 /run/carelog/*"]
    securityContext: {{ include "carelog.containerSecurity" . | nindent 6 }}
    resources:
      requests: { cpu: 10m, memory: 16Mi }
      limits: { memory: 64Mi }
    volumeMounts:
      - { name: secrets, mountPath: /secrets, readOnly: true }
      - { name: keys, mountPath: /run/carelog }
containers:
  - name: {{ .service }}
    image: {{ include "carelog.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: [{{ .service }}]
    env: {{ include "carelog.env" . | nindent 6 }}
    securityContext: {{ include "carelog.containerSecurity" . | nindent 6 }}
    resources: {{ toYaml .resources | nindent 6 }}
    volumeMounts: {{ include "carelog.mounts" . | nindent 6 }}
{{- if ne .service "migrate" }}
    ports:
      - { name: http, containerPort: 8080 }
{{- if eq .service "writer" }}
      - { name: writer, containerPort: 8090 }
{{- end }}
    startupProbe:
      httpGet: { path: /health/live, port: http }
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: { path: /health/live, port: http }
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: { path: /health/ready, port: http }
      periodSeconds: 3
      timeoutSeconds: 3
{{- end }}
volumes:
  - name: temporary
    emptyDir: { sizeLimit: 256Mi }
  - name: keys
    emptyDir: { medium: Memory, sizeLimit: 1Mi }
  - name: issuers
    configMap: { name: {{ $values.issuersConfigMap | quote }}, optional: {{ eq .service "migrate" }} }
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        - secret: { name: {{ $values.secrets.masterKey.name | quote }}, items: [{ key: {{ $values.secrets.masterKey.key | quote }}, path: {{ $values.secrets.masterKey.key | quote }} }] }
        - secret: { name: {{ $values.secrets.serviceKey.name | quote }}, items: [{ key: {{ $values.secrets.serviceKey.key | quote }}, path: {{ $values.secrets.serviceKey.key | quote }} }] }
{{- if $values.secrets.kafka.name }}
        - secret: { name: {{ $values.secrets.kafka.name | quote }} }
{{- end }}
{{- end -}}
