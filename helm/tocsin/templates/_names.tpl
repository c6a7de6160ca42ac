{{/* Name of this installation, in front of every object's. 40 characters leave room for the longest ending. */}}
{{- define "tocsin.name" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains "tocsin" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-tocsin" (.Release.Name | trunc 33 | trimSuffix "-") }}
{{- end -}}
{{- end -}}

{{/* Labels by which objects find pods; they never change, since a StatefulSet's selector cannot. Takes (list root component). */}}
{{- define "tocsin.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: tocsin
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of an object. Takes (list root component). */}}
{{- define "tocsin.labels" -}}
{{- $root := index . 0 -}}
{{ include "tocsin.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tocsin
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Head of an object. Takes (list root component suffix); the suffix may be empty. */}}
{{- define "tocsin.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "tocsin.name" $root }}{{ with index . 2 }}-{{ . }}{{ end }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "tocsin.labels" (list $root (index . 1)) | nindent 2 }}
{{- end -}}

{{/* Reference of an image that the site's registry serves. Takes the image's values. */}}
{{- define "tocsin.image" -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
