{{/*
The pod of every process. Takes a dict:
  root, component      as everywhere
  arguments            list: what follows `tocsin`
  values               the component's values: resources, nodeSelector, tolerations, priorityClassName, annotations
  settings             name of the ConfigMap of settings
  account              name of the service account
  graceSeconds         longest time from SIGTERM to SIGKILL
  probes               whether it answers /live and /ready
  startSeconds         with probes: longest time until it first answers
  variables            list: its own variables, besides the shared ones
  state                whether it has a folder that outlives a restart of its container
  reports              claim of the volume where it keeps monthly reports, where there is one
  pages                the port that it answers browsers on, where it does
  files                dict: further files of the site's, name -> {secret, key}, that it alone has
  restart              restartPolicy, where it is not Always
*/}}
{{- define "tocsin.podSpec" -}}
{{- $root := .root -}}
{{- $sources := printf "%s\n%s" (include "tocsin.sources" (list $root .component)) (include "tocsin.ownSources" (list .component .files)) | trim -}}
{{- $card := $root.Values.modelCard.configMap -}}
{{- $known := eq .component "work" | ternary $root.Values.knownPictures dict -}}
{{- $looks := or $known.claim $known.configMap -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: false # no process speaks to the API server
enableServiceLinks: false # else every Service of the namespace adds variables to the environment
{{- with .restart }}
restartPolicy: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ .graceSeconds }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .probes }}
topologySpreadConstraints: # a node or zone that fails takes as few processes along as can be; none waits for a better place
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "tocsin.selector" (list $root $.component) | nindent 8 }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with $root.Values.runAsUser }}
  runAsUser: {{ int64 . }}
  runAsGroup: {{ int64 . }}
  {{- end }}
  {{- if .reports }}
  {{- with $root.Values.work.reports.fsGroup }}
  fsGroup: {{ int64 . }} # else the volume may be root's alone
  {{- end }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: {{ .component }}
    image: {{ include "tocsin.image" $root.Values.image }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args:
      {{- toYaml .arguments | nindent 6 }}
    envFrom:
      - configMapRef:
          name: {{ .settings }}
    {{- with .variables }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if .probes }}
    ports:
      - name: metrics
        containerPort: {{ include "tocsin.setting" (list $root "metrics" "port") }}
      {{- with .pages }}
      - name: pages
        containerPort: {{ . }}
      {{- end }}
    {{- include "tocsin.probes" . | nindent 4 }}
    {{- end }}
    resources:
      {{- toYaml .values.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    volumeMounts:
      - name: tmp
        mountPath: /tmp
      {{- if $sources }}
      - name: site
        mountPath: /run/tocsin
        readOnly: true
      {{- end }}
      {{- if $card }}
      - name: model
        mountPath: /etc/tocsin/model
        readOnly: true
      {{- end }}
      {{- if $looks }}
      - name: known
        mountPath: /etc/tocsin/known
        readOnly: true
      {{- end }}
      {{- if .state }}
      - name: state
        mountPath: /var/lib/tocsin
      {{- end }}
      {{- if .reports }}
      - name: reports
        mountPath: /var/lib/tocsin/reports
      {{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- if $sources }}
  - name: site
    projected:
      defaultMode: 0444 # whoever the image runs as reads them; nothing else runs in the pod
      sources:
        {{- $sources | nindent 8 }}
  {{- end }}
  {{- with $card }}
  - name: model
    configMap:
      name: {{ . }}
  {{- end }}
  {{- if $looks }}
  - name: known
    {{- if $known.claim }}
    persistentVolumeClaim:
      claimName: {{ $known.claim }}
      readOnly: true
    {{- else }}
    configMap:
      name: {{ $known.configMap }}
    {{- end }}
  {{- end }}
  {{- if .state }}
  - name: state
    emptyDir:
      sizeLimit: 16Mi
  {{- end }}
  {{- with .reports }}
  - name: reports
    persistentVolumeClaim:
      claimName: {{ . }}
  {{- end }}
{{- end -}}

{{/*
Probes. /live answers 503 only where a restart helps, and its bounds are settings; so three answers in a row are enough to believe it.
A connection is closed after 2 s whatever it does, so that 3 s are the longest an answer takes.
*/}}
{{- define "tocsin.probes" -}}
startupProbe: # nothing listens before the first broker answers; the process itself waits for it without end
  httpGet: {path: /live, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: {{ divf .startSeconds 5 | ceil | int }}
livenessProbe:
  httpGet: {path: /live, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /ready, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* Annotations of a pod: it starts anew where the settings, or what they refer to, are others. Takes (list root values). */}}
{{- define "tocsin.podAnnotations" -}}
{{- $root := index . 0 -}}
checksum/settings: {{ include "tocsin.variables" $root | sha256sum }}
checksum/references: {{ printf "%s%s%s%s" (include "tocsin.sources" (list $root "work")) (toJson $root.Values.modelCard) (toJson $root.Values.knownPictures) $root.Values.secretsRevision | sha256sum }}
{{- with (index . 1).annotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The variable that names the folder of monthly reports, as a list: the scheduler asks for them where the worker has one. Takes the root. */}}
{{- define "tocsin.reportFolder" -}}
{{- if .Values.work.reports.claim -}}
- name: TOCSIN_WATCH__REPORT_FOLDER
  value: /var/lib/tocsin/reports
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{/* Seconds from SIGTERM to SIGKILL: rebalance 5, drain, commit, leaving the bus 5, telemetry, and 12 for a busy node. Takes (list root drain). */}}
{{- define "tocsin.graceSeconds" -}}
{{- $root := index . 0 -}}
{{- $commit := include "tocsin.setting" (list $root "kafka" "commit_timeout_s") | float64 -}}
{{- $telemetry := include "tocsin.setting" (list $root "otlp" "close_wait_s") | float64 -}}
{{- addf 22 (index . 1 | float64) $commit $telemetry | ceil | int -}}
{{- end -}}
