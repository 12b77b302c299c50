kubectl patch deployment caller -p '{"spec": {"template": {"metadata": {"annotations": {
  "prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/numbers"}}}}}'
kubectl rollout status deployment/caller --timeout=100s
