kubectl scale deployment model -n "$LAB" --replicas=2
