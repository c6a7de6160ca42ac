"""The chart on a real API server of Kubernetes: accepted, admitted, upgraded, rolled back, removed."""
