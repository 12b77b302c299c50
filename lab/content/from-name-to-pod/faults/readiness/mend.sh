kubectl patch deployment model -p '{"spec":{"template":{"spec":{"containers":[{"name":"model","readinessProbe":{"httpGet":{"path":"/healthz","port":8080}}}]}}}}'
