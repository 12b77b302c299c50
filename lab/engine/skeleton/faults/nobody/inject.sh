kubectl -n "$LAB" scale deployment hello --replicas 0
