kubectl scale deployment model --replicas=4
