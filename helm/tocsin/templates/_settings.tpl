{{/*
The settings: TOCSIN_* variables, made of values.settings, and of values.secrets and values.files, which name what stands in Secrets and
ConfigMaps of the site. Those are mounted below /run/tocsin, as files: no secret is in a variable.
*/}}

{{/* What a setting is, as text: that of the values, else the product's own default. Takes (list root group field). */}}
{{- define "tocsin.setting" -}}
{{- $root := index . 0 -}}
{{- $defaults := $root.Files.Get "files/defaults.json" | fromJson -}}
{{- $stated := get $root.Values.settings (index . 1) | default dict -}}
{{- $value := get (get $defaults (index . 1)) (index . 2) -}}
{{- if hasKey $stated (index . 2) }}{{ $value = get $stated (index . 2) }}{{ end -}}
{{- if kindIs "string" $value }}{{ $value }}{{ else }}{{ $value | toJson }}{{ end -}}
{{- end -}}

{{/* Path of one setting's file within /run/tocsin. Takes (list group field). */}}
{{- define "tocsin.path" -}}
{{ index . 0 }}/{{ index . 1 }}
{{- end -}}

{{/* Name of a setting's variable. Takes (list group field). */}}
{{- define "tocsin.variable" -}}
TOCSIN_{{ index . 0 | upper }}__{{ index . 1 | upper }}
{{- end -}}

{{/* Path of the file of one credential of one origin that pictures come from. Takes (list origin field). */}}
{{- define "tocsin.originPath" -}}
origins/{{ index . 0 | sha256sum | trunc 12 }}/{{ index . 1 }}
{{- end -}}

{{/* TOCSIN_IMAGE__ORIGIN_CREDENTIALS: each origin's credentials with paths in place of secrets. */}}
{{- define "tocsin.originCredentials" -}}
{{- $all := dict -}}
{{- range $origin, $credentials := (.Values.secrets.image | default dict).origin_credentials -}}
  {{- $told := dict -}}
  {{- range $field, $value := $credentials -}}
    {{- if kindIs "map" $value -}}
      {{- $_ := set $told (printf "%s_file" $field) (printf "/run/tocsin/%s" (include "tocsin.originPath" (list $origin $field))) -}}
    {{- else -}}
      {{- $_ := set $told $field $value -}}
    {{- end -}}
  {{- end -}}
  {{- $_ := set $all $origin $told -}}
{{- end -}}
{{- $all | toJson -}}
{{- end -}}

{{/* Every variable that all processes share, as YAML. */}}
{{- define "tocsin.variables" -}}
{{- $root := . -}}
{{- $all := dict "TOCSIN_REPORT__EDITION" (.Release.Revision | toString) -}}
{{- if .Values.redis.enabled }}{{ $_ := set $all "TOCSIN_REDIS__URL" (printf "redis://%s-redis:6379/0" .Release.Name) }}{{ end -}}
{{- if .Values.triton.enabled }}{{ $_ := set $all "TOCSIN_TRITON__GRPC_URL" (printf "%s-triton:8001" .Release.Name) }}{{ end -}}
{{- if .Values.modelCard.configMap }}{{ $_ := set $all "TOCSIN_MODEL__CARD" (printf "/etc/tocsin/model/%s" .Values.modelCard.key) }}{{ end -}}
{{- if or .Values.knownPictures.claim .Values.knownPictures.configMap }}{{ $_ := set $all "TOCSIN_WATCH__PICTURES" "/etc/tocsin/known" }}{{ end -}}
{{- range $group, $fields := .Values.settings -}}
  {{- range $field, $value := $fields -}}
    {{- if not (kindIs "invalid" $value) -}}
      {{- $_ := set $all (include "tocsin.variable" (list $group $field)) (kindIs "string" $value | ternary $value ($value | toJson)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $group, $fields := .Values.secrets -}}
  {{- range $field, $reference := $fields -}}
    {{- if eq $field "origin_credentials" -}}
      {{- $_ := set $all "TOCSIN_IMAGE__ORIGIN_CREDENTIALS" (include "tocsin.originCredentials" $root) -}}
    {{- else if $reference -}}
      {{- $variable := include "tocsin.variable" (list $group $field) -}}
      {{- $_ := unset $all $variable -}}
      {{- $_ := set $all (printf "%s_FILE" $variable) (printf "/run/tocsin/%s" (include "tocsin.path" (list $group $field))) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $group, $fields := .Values.files -}}
  {{- range $field, $reference := $fields -}}
    {{- if $reference -}}
      {{- $_ := set $all (include "tocsin.variable" (list $group $field)) (printf "/run/tocsin/%s" (include "tocsin.path" (list $group $field))) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $name, $value := .Values.environment }}{{ $_ := set $all $name $value }}{{ end -}}
{{- $all | toYaml -}}
{{- end -}}

{{/*
Sources of the volume that is mounted at /run/tocsin: a list in YAML, empty where nothing is referred to. What watching compares with is
labels of patients, which `work` alone reads. Takes (list root component).
*/}}
{{- define "tocsin.sources" -}}
{{- $sources := list -}}
{{- $root := index . 0 -}}
{{- $own := index . 1 -}}
{{- range $group, $fields := $root.Values.secrets -}}
  {{- range $field, $reference := $fields -}}
    {{- if eq $field "origin_credentials" -}}
      {{- range $origin, $credentials := $reference -}}
        {{- range $part, $value := $credentials -}}
          {{- if kindIs "map" $value -}}
            {{- $item := dict "key" $value.key "path" (include "tocsin.originPath" (list $origin $part)) -}}
            {{- $sources = append $sources (dict "secret" (dict "name" $value.secret "items" (list $item))) -}}
          {{- end -}}
        {{- end -}}
      {{- end -}}
    {{- else if $reference -}}
      {{- $item := dict "key" $reference.key "path" (include "tocsin.path" (list $group $field)) -}}
      {{- $sources = append $sources (dict "secret" (dict "name" $reference.secret "items" (list $item))) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $group, $fields := $root.Values.files -}}
  {{- range $field, $reference := $fields -}}
    {{- if and $reference (or (ne $group "watch") (eq $own "work")) -}}
      {{- $item := dict "key" $reference.key "path" (include "tocsin.path" (list $group $field)) -}}
      {{- $kind := ternary "secret" "configMap" (hasKey $reference "secret") -}}
      {{- $sources = append $sources (dict $kind (dict "name" (get $reference $kind) "items" (list $item))) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if $sources }}{{ $sources | toYaml }}{{ end -}}
{{- end -}}

{{/* Sources of the same volume for files that one process alone has, at /run/tocsin/<component>/<name>. Takes (list component files). */}}
{{- define "tocsin.ownSources" -}}
{{- $sources := list -}}
{{- $component := index . 0 -}}
{{- range $name, $reference := index . 1 | default dict -}}
  {{- if $reference -}}
    {{- $item := dict "key" $reference.key "path" (printf "%s/%s" $component $name) -}}
    {{- $sources = append $sources (dict "secret" (dict "name" $reference.secret "items" (list $item))) -}}
  {{- end -}}
{{- end -}}
{{- if $sources }}{{ $sources | toYaml }}{{ end -}}
{{- end -}}
