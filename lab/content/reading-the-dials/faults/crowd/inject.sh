kubectl get deployment caller -n "$LAB" -o json | jq '{apiVersion, kind, metadata: {name: "batch"}, spec: {
    replicas: 1, selector: {matchLabels: {app: "batch"}},
    template: (.spec.template | .metadata = {labels: {app: "batch"}}
      | .spec.containers[0].env |= map(if .name == "RATE" then .value = "60" else . end))}}' |
  kubectl apply -n "$LAB" -f -
