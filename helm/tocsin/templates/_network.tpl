{{/* Port of an address: what it states, else that of its scheme. Takes (list address default). */}}
{{- define "tocsin.port" -}}
{{- $host := splitList "://" (index . 0) | last | splitList "/" | first -}}
{{- $stated := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
{{- $schemes := dict "https" "443" "http" "80" "rediss" "6379" "redis" "6379" -}}
{{- $stated | default (get $schemes (splitList "://" (index . 0) | first)) | default (index . 1) -}}
{{- end -}}

{{/*
What a pod may reach: a JSON object neighbour -> list of ports, from the addresses that the settings name, or from networkPolicy.ports.
An address that stands in a Secret is not known here.
*/}}
{{- define "tocsin.ports" -}}
{{- $v := .Values -}}
{{- $ports := dict -}}
{{- $kafka := list -}}
{{- range splitList "," (include "tocsin.setting" (list . "kafka" "bootstrap_servers")) }}{{ $kafka = append $kafka (include "tocsin.port" (list . "9092")) }}{{ end -}}
{{- $_ := set $ports "kafka" $kafka -}}
{{- $_ := set $ports "fhir" (list (include "tocsin.port" (list (include "tocsin.setting" (list . "fhir" "base_url")) "443"))) -}}
{{- $_ := set $ports "triton" (list (include "tocsin.port" (list (include "tocsin.setting" (list . "triton" "grpc_url")) "8001"))) -}}
{{- $_ := set $ports "redis" (list (include "tocsin.port" (list (dig "redis" "url" "" $v.settings) "6379"))) -}}
{{- $pictures := list -}}
{{- range dig "image" "url_origins_allowed" list $v.settings }}{{ $pictures = append $pictures (include "tocsin.port" (list . "443")) }}{{ end -}}
{{- if $pictures }}{{ $_ := set $ports "pictures" $pictures }}{{ end -}}
{{- with dig "otlp" "endpoint" (get $v.environment "OTEL_EXPORTER_OTLP_ENDPOINT") $v.settings }}{{ $_ := set $ports "collector" (list (include "tocsin.port" (list . "4318"))) }}{{ end -}}
{{- with dig "traces" "query_url" "" $v.settings }}{{ $_ := set $ports "traces" (list (include "tocsin.port" (list . "443"))) }}{{ end -}}
{{- $ehrs := list -}}
{{- range $issuer, $_ := dig "serve" "issuers" dict $v.settings }}{{ $ehrs = append $ehrs (include "tocsin.port" (list $issuer "443")) }}{{ end -}}
{{- if and $v.serve.enabled $ehrs }}{{ $_ := set $ports "ehr" (append $ehrs "443") }}{{ end -}}
{{- $told := list -}}
{{- if dig "notify" "smtp_host" "" $v.settings }}{{ $told = append $told (include "tocsin.setting" (list . "notify" "smtp_port")) }}{{ end -}}
{{- with dig "notify" "webhook_url" "" $v.settings }}{{ $told = append $told (include "tocsin.port" (list . "443")) }}{{ end -}}
{{- if $told }}{{ $_ := set $ports "notify" $told }}{{ end -}}
{{- $callers := list -}}
{{- range $issuer := dig "cds" "issuers" dict $v.settings | default dict -}}
  {{- range $address := $issuer.jku }}{{ $callers = append $callers (include "tocsin.port" (list $address "443")) }}{{ end -}}
  {{- with $issuer.fhir_base_url }}{{ $callers = append $callers (include "tocsin.port" (list . "443")) }}{{ end -}}
{{- end -}}
{{- if $callers }}{{ $_ := set $ports "cds" $callers }}{{ end -}}
{{- $proxies := list -}}
{{- range list "fhir" "image" "serve" "cds" }}{{ with dig . "proxy_url" "" $v.settings }}{{ $proxies = append $proxies (include "tocsin.port" (list . "3128")) }}{{ end }}{{ end -}}
{{- if $proxies }}{{ $_ := set $ports "proxy" $proxies }}{{ end -}}
{{- range $name, $given := $v.networkPolicy.ports }}{{ $_ := set $ports $name $given }}{{ end -}}
{{- $ports | toJson -}}
{{- end -}}

{{/* Spec of a network policy for Tocsin's pods. Takes (list root components). */}}
{{- define "tocsin.networkPolicySpec" -}}
{{- $root := index . 0 -}}
{{- $policy := $root.Values.networkPolicy -}}
podSelector:
  matchLabels:
    app.kubernetes.io/name: tocsin
    app.kubernetes.io/instance: {{ $root.Release.Name }}
  matchExpressions:
    - {key: app.kubernetes.io/component, operator: In, values: [{{ join ", " (index . 1) }}]}
policyTypes: [Ingress, Egress]
ingress: # a node's probes come through in any case
  - ports:
      - {protocol: TCP, port: metrics}
    {{- with $policy.metricsFrom }}
    from:
      {{- toYaml . | nindent 6 }}
      - podSelector: # `tocsin top` in one of the pods
          matchLabels:
            app.kubernetes.io/name: tocsin
            app.kubernetes.io/instance: {{ $root.Release.Name }}
    {{- end }}
egress:
  - ports: # names; OpenShift's servers listen on 5353
      {{- range list 53 5353 }}
      - {protocol: UDP, port: {{ . }}}
      - {protocol: TCP, port: {{ . }}}
      {{- end }}
  - ports: # `tocsin top` in one of the pods
      - {protocol: TCP, port: metrics}
    to:
      - podSelector:
          matchLabels:
            app.kubernetes.io/name: tocsin
            app.kubernetes.io/instance: {{ $root.Release.Name }}
  {{- range $name, $ports := include "tocsin.ports" $root | fromJson }}
  - ports: # {{ $name }}
      {{- range $ports | uniq }}
      - {protocol: TCP, port: {{ int . }}}
      {{- end }}
    {{- with get $policy.to $name }}
    to:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end -}}
