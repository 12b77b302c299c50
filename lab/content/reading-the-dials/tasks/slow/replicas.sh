# The replicas that run: whether they have lost their cache, and whether they get calls.
kubectl get pods,endpointslices -n "$LAB" -o json > "/tmp/$LAB-replicas"
for line in $(jq -r '[.items[] | select(.kind == "EndpointSlice" and .metadata.labels["kubernetes.io/service-name"] == "model")
    | .endpoints // [] | .[] | select(.conditions.ready != false) | .addresses[]] as $called
  | .items[] | select(.kind == "Pod" and .metadata.deletionTimestamp == null and .status.podIP != null
      and .metadata.annotations["prometheus.io/port"] == "8080" and (.metadata.name | startswith("model-")))
  | .status.podIP as $ip | "\(.metadata.name)/\($ip)/\($called | index($ip) != null)"' "/tmp/$LAB-replicas"); do
  name=${line%%/*} rest=${line#*/}
  cold=$(curl -s -m 1 "http://${rest%/*}:8080/healthz" | jq -r .cold)
  echo "{\"name\": \"$name\", \"called\": ${rest#*/}, \"cold\": ${cold:-false}}"
done | jq -s .
