{{/*
When the checks run. Before anything of this release is changed, so that a wrong setting stops an installation or upgrade that has not begun;
after it where the release itself brings Redis or Triton, which are not there before.
*/}}
{{- define "tocsin.checkWhen" -}}
{{- if or .Values.redis.enabled .Values.triton.enabled -}}post-install,post-upgrade{{- else -}}pre-install,pre-upgrade{{- end -}}
{{- end -}}

{{/* Annotations of a hook. Takes (list when weight deletion). A rollback has none: it must not wait for anything. */}}
{{- define "tocsin.hook" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: {{ index . 2 }}
{{- end -}}

{{/* Head of a hook's object. Takes (list root component suffix when weight). */}}
{{- define "tocsin.hookMetadata" -}}
{{ include "tocsin.metadata" (list (index . 0) (index . 1) (index . 2)) }}
annotations:
  {{- include "tocsin.hook" (list (index . 3) (index . 4) "before-hook-creation,hook-succeeded") | nindent 2 }}
{{- end -}}

{{/* A Job that runs one command once. Takes (dict root component arguments when weight). */}}
{{- define "tocsin.checkJob" -}}
{{- $root := .root -}}
{{- $pod := dict "root" $root "component" .component "arguments" .arguments "values" $root.Values.checks "restart" "Never" "graceSeconds" 10
    "settings" (printf "%s-check-settings" (include "tocsin.name" $root)) "account" "default" -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "tocsin.hookMetadata" (list $root .component .component .when .weight) | nindent 2 }}
spec:
  {{- $own := and $root.Values.triton.enabled (hasPrefix "post" .when) }}
  backoffLimit: {{ $own | ternary 6 2 }} # a neighbour that is busy for a moment is no reason to stop; a Triton of this release's own has to load its model
  activeDeadlineSeconds: {{ add $root.Values.checks.deadlineSeconds ($own | ternary $root.Values.triton.startSeconds 0) }}
  template:
    metadata:
      labels:
        {{- include "tocsin.labels" (list $root .component) | nindent 8 }}
    spec:
      {{- include "tocsin.podSpec" $pod | nindent 6 }}
{{- end -}}
