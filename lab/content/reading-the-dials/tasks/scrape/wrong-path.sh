kubectl patch deployment caller -p '{"spec": {"template": {"metadata": {"annotations": {
  "prometheus.io/scrape": "true", "prometheus.io/port": "8080"}}}}}'
