kubectl delete service model --ignore-not-found
