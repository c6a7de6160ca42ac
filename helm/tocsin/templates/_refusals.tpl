{{/* Fails with all that is missing, a sentence each. What is wrong in form values.schema.json has refused before. */}}
{{- define "tocsin.refusals" -}}
{{- $missing := list -}}
{{- if not .Values.image.repository }}{{ $missing = append $missing "image.repository: name the repository of Tocsin's image in your registry" }}{{ end -}}
{{- if not (or .Values.image.tag .Values.image.digest) }}{{ $missing = append $missing "image.tag or image.digest: name the version of the image" }}{{ end -}}
{{- $redis := or .Values.redis.enabled (dig "redis" "url" "" .Values.settings) (dig "redis" "url" "" .Values.secrets) -}}
{{- if not $redis }}{{ $missing = append $missing "settings.redis.url: name your Redis (or secrets.redis.url, where its address has a password; or redis.enabled: true)" }}{{ end -}}
{{- if not (or .Values.triton.enabled (dig "triton" "grpc_url" "" .Values.settings)) }}{{ $missing = append $missing "settings.triton.grpc_url: name your Triton, host:port (or triton.enabled: true)" }}{{ end -}}
{{- range list (list "kafka" "bootstrap_servers" "name your Kafka, host:port,host:port") (list "fhir" "base_url" "name your FHIR server") (list "report" "source" "give this installation a URI, for good: it is part of every report's id") -}}
  {{- if not (dig (index . 0) (index . 1) "" $.Values.settings) }}{{ $missing = append $missing (printf "settings.%s.%s: %s" (index . 0) (index . 1) (index . 2)) }}{{ end -}}
{{- end -}}
{{- if and .Values.redis.enabled (dig "redis" "url" "" .Values.settings) }}{{ $missing = append $missing "redis.enabled and settings.redis.url: keep one of them" }}{{ end -}}
{{- if and .Values.triton.enabled (dig "triton" "grpc_url" "" .Values.settings) }}{{ $missing = append $missing "triton.enabled and settings.triton.grpc_url: keep one of them" }}{{ end -}}
{{- $hidden := or (dig "fhir" "proxy_url" "" .Values.secrets) (dig "image" "proxy_url" "" .Values.secrets) (dig "serve" "proxy_url" "" .Values.secrets) (dig "cds" "proxy_url" "" .Values.secrets) -}}
{{- if and .Values.networkPolicy.enabled $hidden (not (hasKey (include "tocsin.ports" . | fromJson) "proxy")) }}{{ $missing = append $missing "networkPolicy.ports.proxy: name the port of the proxy, whose address is in a Secret" }}{{ end -}}
{{- if lt (int .Values.consume.autoscaling.max) (int .Values.consume.autoscaling.min) }}{{ $missing = append $missing "consume.autoscaling.max: it is below consume.autoscaling.min" }}{{ end -}}
{{- if ne (empty .Values.tests.event.media) (empty .Values.tests.event.subject) }}{{ $missing = append $missing "tests.event.media and tests.event.subject: name both, or neither" }}{{ end -}}
{{- if and .Values.knownPictures.claim .Values.knownPictures.configMap }}{{ $missing = append $missing "knownPictures.claim and knownPictures.configMap: keep one of them" }}{{ end -}}
{{- if .Values.serve.enabled -}}
  {{- if not (dig "serve" "public_url" "" .Values.settings) }}{{ $missing = append $missing "settings.serve.public_url: say by which address browsers reach the pages, https://host" }}{{ end -}}
  {{- if not (dig "serve" "issuers" dict .Values.settings) }}{{ $missing = append $missing "settings.serve.issuers: name the FHIR server whose EHR launches the pages (deploy/serve.md)" }}{{ end -}}
{{- end -}}
{{- if $missing }}{{ fail (printf "\n\nThese values are missing or do not go together:\n  %s\n" (join "\n  " $missing)) }}{{ end -}}
{{- end -}}
