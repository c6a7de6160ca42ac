{{/* How fast `consume` grows and shrinks: each change of the group makes every member pause for a rebalance. */}}
{{- define "tocsin.scaling" -}}
scaleUp:
  stabilizationWindowSeconds: 30
  policies:
    - {type: Percent, value: 100, periodSeconds: 60}
scaleDown:
  stabilizationWindowSeconds: 600
  policies:
    - {type: Pods, value: 1, periodSeconds: 120}
{{- end -}}
