kubectl delete ingress model --ignore-not-found
