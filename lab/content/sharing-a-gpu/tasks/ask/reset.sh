kubectl delete pod smi --ignore-not-found --now --wait=false
