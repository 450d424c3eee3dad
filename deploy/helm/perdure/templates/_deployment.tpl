{{/* The Deployment of a role. Takes root, role, values (of the role), scaled (whether something else sets its replicas). */}}
{{- define "perdure.deployment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "perdure.fullname" $root }}-{{ .role }}
  labels:
    {{- include "perdure.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- if not .scaled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "perdure.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .role }}
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
  template:
    metadata:
      labels:
        {{- include "perdure.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
      annotations:
        {{- if not $values.secrets.existingSecret }}
        checksum/secret: {{ include "perdure.secretData" $root | sha256sum }}
        {{- end }}
        kubectl.kubernetes.io/default-container: perdure
        {{- with .values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "perdure.serviceAccount" $root }}
      automountServiceAccountToken: false
      {{- with $values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "perdure.podSecurity" $root | nindent 8 }}
      # The delay, the drain of runs, the drain of calls, and some more.
      terminationGracePeriodSeconds: {{ add $values.shutdownDelaySeconds (mul 2 $values.drainSeconds) 15 }}
      containers:
        - name: perdure
          image: {{ include "perdure.image" $root }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args: [serve, --role, {{ .role }}]
          env:
            {{- include "perdure.env" . | nindent 12 }}
          envFrom:
            - secretRef: { name: {{ include "perdure.secret" $root }} }
          ports:
            - { name: http, containerPort: 8080 }
            {{- if eq .role "server" }}
            - { name: grpc, containerPort: 50051 }
            {{- end }}
          # Two minutes for a start; a database that is away ends it, and the next one tries again.
          startupProbe:
            httpGet: { path: /health/live, port: http }
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 60
          # A handler that blocks its process for a minute costs all others their leases: a new process is better.
          livenessProbe:
            httpGet: { path: /health/live, port: http }
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: { path: /health/ready, port: http }
            periodSeconds: 2
            timeoutSeconds: 3
            failureThreshold: 2
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "perdure.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            - { name: tmp, mountPath: /tmp }
            {{- with $values.volumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - { name: tmp, emptyDir: {} }
        {{- with $values.volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "perdure.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ $.role }}
        {{- end }}
      {{- with .values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{/* What the chart sets, then the settings of all, then those of the role, which win. */}}
{{- define "perdure.env" -}}
- { name: HOST, value: 0.0.0.0 }
- { name: PERDURE_ALLOW_PUBLIC, value: 'true' }
- { name: PERDURE_SHUTDOWN_DELAY, value: {{ .root.Values.shutdownDelaySeconds }}s }
- { name: PERDURE_DRAIN, value: {{ .root.Values.drainSeconds }}s }
{{- range $name, $value := merge (dict) .values.settings .root.Values.settings }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end -}}
