{{/* A pod of `helm test`. Takes a dict: root, name, weight, arguments. The next one starts once this one has passed. */}}
{{- define "tocsin.testPod" -}}
{{- $root := .root -}}
{{- $pod := dict "root" $root "component" "test" "arguments" .arguments "values" $root.Values.checks "restart" "Never" "graceSeconds" 10
    "settings" (printf "%s-settings" (include "tocsin.name" $root)) "account" (include "tocsin.name" $root) }}
apiVersion: v1
kind: Pod
metadata:
  {{- include "tocsin.metadata" (list $root "test" (printf "test-%s" .name)) | nindent 2 }}
  annotations:
    {{- include "tocsin.hook" (list "test" .weight "before-hook-creation,hook-succeeded") | nindent 4 }}
spec:
  {{- include "tocsin.podSpec" $pod | nindent 2 }}
{{- end -}}
